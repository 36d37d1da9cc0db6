"""A name means the lab it says, and what cannot be a name means none."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core.env import Environment, settle
from k8slab.core.hints import command
from k8slab.core.phases import Ledger
from k8slab.errors import BadInput, HostProblem, LabError, LabMissing
from k8slab.folder import LabFolder, records
from k8slab.lab_record import CONTROL_PLANE, LabRecord, MachineRecord, Ranges
from labmaker import bare, cli, lifecycle
from labmaker.companions import companions, own_lab
from labmaker.lifecycle import transitions
from labmaker.lifecycle.preflight import free_slot
from labmaker.providers import NAMES
from labmaker.settings import Settings

ODD = ["", " ", ".", "..", "default ", "a/b", "../default", "Default", "-x", "a_b"]
COMMANDS = [
    ["up"],
    ["down"],
    ["stop"],
    ["start"],
    ["reset"],
    ["heal"],
    ["status"],
    ["ssh", "master"],
    ["kubectl"],
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of labs of the test's own."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    monkeypatch.delenv("K8SLAB_LAB", raising=False)
    return tmp_path


def made(home: Path, name: str = "default", slot: int = 0) -> LabRecord:
    """Leave a lab's record, as a lab that is up does."""
    ranges = Ranges(
        IPv4Network("172.30.1.0/24"),
        IPv4Network("10.244.0.0/16"),
        IPv4Network("10.96.0.0/16"),
        IPv4Address("10.96.0.10"),
    )
    record = LabRecord(name, "podman", "1.37.2", (), ranges, maker={"slot": slot})
    LabFolder(home, name).save(record)
    return record


@pytest.mark.slow
@pytest.mark.parametrize("words", COMMANDS, ids=[words[0] for words in COMMANDS])
@pytest.mark.parametrize("name", ["", "..", "default "])
def test_no_command_takes_an_odd_name_for_another_lab(
    home: Path, words: list[str], name: str
) -> None:
    """It is refused, and the lab ``default`` is as it was."""
    made(home)
    verb, *rest = words
    said = CliRunner().invoke(cli.app, [verb, "--name", name, *rest])

    assert isinstance(said.exception, BadInput), said.output
    assert said.exception.seen == repr(name)
    assert lab.find() is not None


@pytest.mark.parametrize("name", ODD)
def test_the_environment_cannot_mean_an_odd_lab(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A script whose own variable is empty does not mean the lab ``default``."""
    monkeypatch.setenv("K8SLAB_LAB", name)
    for use in (lab.find, lab.connect, lifecycle.down, bare.is_there, lab.names):
        with pytest.raises(BadInput) as caught:
            use()
        assert (caught.value.where, caught.value.seen) == ("K8SLAB_LAB", repr(name))


@pytest.mark.parametrize("use", [lab.find, lab.connect, bare.remove, bare.is_there])
def test_the_library_takes_no_empty_name(use: Callable[[str], object]) -> None:
    """Neither chapters nor the machines beside a lab are those of another one."""
    with pytest.raises(BadInput):
        use("")


@pytest.mark.parametrize("variable", ["K8SLAB_HOME", "K8SLAB_CACHE"])
@pytest.mark.parametrize("value", ["", "/a:b", "/a\nb", "/\x1b[31m"])
def test_a_folder_that_programs_would_read_as_two_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """An empty one would be the usual one, and so the labs of somebody else."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadInput) as caught:
        Environment.read()

    assert (caught.value.where, caught.value.seen) == (variable, repr(value))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("labs", "labs"), ("./a/labs", "a/labs"), ("my labs", "my labs")],
)
def test_a_folder_is_the_same_from_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, wanted: str
) -> None:
    """A relative one becomes absolute, and a space is part of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K8SLAB_HOME", value)

    assert Environment.read().home == tmp_path / wanted


def test_a_home_that_was_quoted_is_the_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The shell leaves a quoted tilde alone; no folder of that name is made."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("K8SLAB_HOME", "~/labs")

    assert Environment.read().home == Path("/home/ada/labs")


@pytest.mark.parametrize("name", ["default.bak", "Default", "default copy", ".old"])
def test_what_is_no_lab_blocks_no_command(home: Path, name: str) -> None:
    """A backup beside a lab is neither shown nor read."""
    record = made(home)
    shutil.copytree(home / "default", home / name)

    assert records(home) == [record]
    assert lab.names() == ["default"]
    assert free_slot(home) == 1


def test_a_copy_of_a_lab_is_no_second_lab(home: Path) -> None:
    """Its record names machines that are the other lab's."""
    record = made(home)
    shutil.copytree(home / "default", home / "other")
    with pytest.raises(LabError, match="a copy") as caught:
        lab.find("other")

    assert records(home) == [record]
    assert caught.value.next.endswith(command("down", "other"))


@pytest.mark.parametrize("what", ["folder", "no text", "no JSON", "another schema"])
def test_a_record_that_cannot_be_read_blocks_its_own_lab_only(
    home: Path, what: str
) -> None:
    """It is an error where it is meant, and none for the lab beside it."""
    record = made(home)
    (home / "other").mkdir()
    file = home / "other" / "lab.json"
    if what == "folder":
        file.mkdir()
    else:
        texts = {"no text": b"\xff", "no JSON": b"{", "another schema": b"{}"}
        file.write_bytes(texts[what])
    with pytest.raises(LabError, match="directory" if what == "folder" else "damaged"):
        lab.find("other")

    assert records(home) == [record]
    assert isinstance(lab.missing("third"), LabMissing)


def test_status_names_what_it_cannot_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at all labs shows the others, and what to do about this one."""
    (home / "other").mkdir()
    (home / "other" / "lab.json").write_text("{")
    said = CliRunner().invoke(cli.app, ["status"])

    assert said.exit_code == 0, said.output
    assert "other" in said.output


def test_another_users_lab_blocks_no_other_lab(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is its owner's alone, as after 'sudo' with the home of the user."""
    record, stat = made(home), Path.stat
    made(home, "roots")

    def refuse(path: Path, **options: Any) -> Any:
        if "roots" in path.parent.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    read = Path.read_text
    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(
        Path, "read_text", lambda path, **options: refuse(path) and read(path)
    )

    assert records(home) == [record]
    assert lab.names() == ["default", "roots"]
    assert isinstance(lab.missing("third"), LabMissing)
    with pytest.raises(HostProblem, match="Permission denied"):
        lab.find("roots")


def test_a_lab_behind_a_link_is_removed_with_its_link(home: Path) -> None:
    """A reader moved it to a larger disk."""
    made(home)
    (home / "default").rename(home / "disk")
    (home / "default").symlink_to(home / "disk")
    LabFolder(home, "default").remove()

    assert list(home.iterdir()) == []


@pytest.mark.parametrize("record", [True, False], ids=["whole", "damaged"])
def test_a_link_to_another_lab_goes_alone(home: Path, record: bool) -> None:
    """The other one's machines are not asked about, so its folder stays."""
    made(home)
    if not record:
        (home / "default" / "lab.json").write_text("{")
    (home / "alias").symlink_to(home / "default")
    LabFolder(home, "alias").remove()

    assert [path.name for path in home.iterdir()] == ["default"]


def test_a_folder_that_is_no_labs_is_left_alone(home: Path) -> None:
    """Somebody keeps other things there; what a crash left of a lab may go."""
    work = home / "projects" / "thesis.txt"
    work.parent.mkdir()
    work.write_text("mine")
    with pytest.raises(BadInput, match="something else") as caught:
        lifecycle.down("projects")
    with pytest.raises(BadInput):
        LabFolder(home, "projects").save(made(home))

    assert (caught.value.seen, work.read_text()) == ("thesis.txt", "mine")
    left = LabFolder(home, "left")
    left.machine("master").mkdir(parents=True)
    left.write(".lab.json.x1", "")
    left.remove()
    assert not left.root.exists()


@pytest.mark.parametrize("text", [None, "", "{"], ids=["gone", "empty", "damaged"])
def test_notes_about_machines_are_kept_without_a_record(
    home: Path, text: str | None
) -> None:
    """What could undo the installation is all there is; --forget drops it."""
    folder = LabFolder(home, "team")
    folder.undo.mkdir(parents=True)
    (folder.undo / "node1.jsonl").write_text("{}")
    if text is not None:
        folder.record_file.write_text(text)
    with pytest.raises(LabError) as caught:
        lifecycle.down("team")

    assert "'k8slab down --name team --forget'" in caught.value.next
    for machines in (None, home / "hosts.yaml"):
        with pytest.raises(LabError, match="record"):
            lifecycle.up("team", inventory=machines)
    assert folder.notes == ["node1.jsonl"]
    assert lifecycle.down("team", forget=True).there
    assert not folder.root.exists()


class Engine:
    """A provider that has nothing of the lab.

    Args:
        name: Its name; the first one's where none is asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name or NAMES[0]

    def states(self) -> dict[str, str]:
        """Return no machine."""
        return {}

    def slots(self, *, own: bool) -> frozenset[int]:
        """Return no range."""
        return frozenset()


@pytest.mark.parametrize(
    "told",
    [{}, {"provider": "lxd"}, {"maker": {}}, {"maker": {"slot": "x"}}],
    ids=["damaged", "unknown", "no settings", "edited"],
)
def test_without_a_known_maker_every_engine_is_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any]
) -> None:
    """Its machines may be of one that makes no new ones here."""
    folder = LabFolder(home, "default")
    record = made(home)
    if told:
        folder.save(replace(record, **told))
    else:
        folder.record_file.write_text("{")
    asked = list[str]()
    here = transitions.__name__
    monkeypatch.setattr(f"{here}.working", lambda *_: map(Engine, NAMES))
    monkeypatch.setattr(f"{here}.dismantle", lambda each, *_: asked.append(each.name))

    def engine(name: str, *_: object) -> Any:
        return Engine(name)

    work = transitions.Transitions(folder, "", home, home, providers=engine)
    work.remove(Ledger())

    assert asked == list(NAMES)
    assert not folder.root.exists()


def test_a_shell_needs_ssh(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its absence is named, with the package that has it."""
    machine = MachineRecord("master", CONTROL_PLANE, IPv4Address("172.30.1.11"))
    LabFolder(home, "default").save(replace(made(home), machines=(machine,)))
    monkeypatch.setenv("PATH", str(home))
    said = CliRunner().invoke(cli.app, ["ssh", "master"])

    assert isinstance(said.exception, HostProblem)
    assert said.exception.next == "apt-get install --yes openssh-client"


def test_a_folder_that_no_variable_of_ours_names_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To unset what is not set would not help."""
    monkeypatch.delenv("K8SLAB_HOME")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/a:b")
    with pytest.raises(BadInput) as caught:
        Environment.read()

    assert "/var/a:b" in caught.value.seen
    assert caught.value.where != "K8SLAB_HOME"
    assert caught.value.next.startswith("name another one: export K8SLAB_HOME=")


@pytest.mark.parametrize(
    "change",
    [{"maker": None}, {"images": []}, {"provider": 7}, {"complete": "yes"}],
    ids=str,
)
def test_a_record_of_other_kinds_is_damaged(
    home: Path, change: dict[str, object]
) -> None:
    """A file that another program wrote stops its own lab alone."""
    text = made(home).to_json()
    file = LabFolder(home, "default").record_file
    file.write_text(json.dumps({**json.loads(text), **change}))
    with pytest.raises(LabError, match="damaged") as caught:
        lab.find("default")

    assert next(iter(change)) in caught.value.seen
    assert records(home) == []


def test_a_chapters_lab_is_made_by_its_chapter(home: Path) -> None:
    """A reader's lab of that name would go with the other."""
    said = CliRunner().invoke(cli.app, ["up", "--name", "default-install"])

    assert isinstance(said.exception, BadInput)
    assert "a chapter makes" in said.exception.what
    assert list(home.iterdir()) == []


def test_a_journal_reads_its_own_entries_only(home: Path) -> None:
    """A copy of an entry beside it is not undone, and not an error."""
    from k8slab.fault import _journal

    folder = LabFolder(home, "default")
    folder.journal.mkdir(parents=True)
    (folder.journal / "notes.json").write_text("hello")
    (folder.journal / "00000000000000000001 (copy).json").write_text("{}")

    assert _journal.left(folder) == []


def test_a_home_of_nobody_is_not_called_the_readers_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The user that is named does not exist; whoever typed it has a home."""
    monkeypatch.setenv("K8SLAB_HOME", "~nobody-here/labs")
    with pytest.raises(BadInput, match="no such home directory") as refused:
        Environment.read()

    assert refused.value.seen == "~nobody-here/labs"


def test_a_relative_folder_is_the_same_for_what_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels run in the folder of their chapter."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("K8SLAB_HOME", "labs")
    monkeypatch.delenv("K8SLAB_CACHE", raising=False)
    settle()
    monkeypatch.chdir("/")

    assert Environment.read().home == tmp_path / "labs"


@pytest.mark.parametrize(
    ("part", "value"),
    [("name", 7), ("key", 3), ("port", "x"), ("sudo", "no"), ("user", None)],
)
def test_a_machine_that_was_edited_wrongly_is_a_damaged_record(
    home: Path, part: str, value: object
) -> None:
    """It is told as such; of a name that is no text the table of all labs broke."""
    machine = MachineRecord("master", CONTROL_PLANE, IPv4Address("172.30.1.11"))
    told = json.loads(replace(made(home), machines=(machine,)).to_json())
    told["machines"][0][part] = value

    with pytest.raises(ValueError, match=part):
        LabRecord.from_json(json.dumps(told))


@pytest.mark.parametrize("slot", ["x", None, [1]])
def test_settings_that_were_edited_wrongly_are_told(home: Path, slot: object) -> None:
    """With the commands that make the lab anew."""
    maker = {"slot": slot, "workers": 2, "image": "ready"}
    record = replace(made(home), maker=maker)
    with pytest.raises(LabError, match="not made by this command") as refused:
        Settings.of(record)

    assert "k8slab down" in refused.value.next


@pytest.mark.parametrize(
    "name", ["default", "twelve-chars", "thirteen-char", "t-0a1b-main", "x" * 20]
)
def test_a_chapters_own_lab_has_a_name_that_a_lab_may_have(
    name: str, tmp_path: Path
) -> None:
    """It begins as its companions do, and is short enough."""
    own = own_lab(name, "install")

    assert own.startswith(companions(name))
    assert LabFolder(tmp_path, own).name == own


def test_own_labs_of_two_labs_are_two() -> None:
    """Also where only the end of a long name differs."""
    names = ("default", "long-name-of-a-lab-a", "long-name-of-a-lab-b")

    assert len({own_lab(name, "install") for name in names}) == 3
