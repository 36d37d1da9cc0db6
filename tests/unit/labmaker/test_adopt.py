"""An adopted cluster: a lab's folder made of a kubeconfig, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.api_server import FakeApi
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core.process import Completed
from k8slab.errors import (
    ApiError,
    ApiUnreachable,
    BadInput,
    BundleError,
    CommandTimeout,
    HostProblem,
    LabError,
    NoMachines,
)
from k8slab.kube import current
from labmaker import adopted, bare, bundle, cli, lifecycle, spare
from labmaker.adopted import adopt
from labmaker.adopted.adopt import Adopted
from labmaker.lifecycle import transitions
from labmaker.settings import Settings

READS = {"GET /api/v1/namespaces/kube-system", "GET /version"}


class FakeKubectl:
    """Runs nothing but a kubectl, of one version or one that cannot be run."""

    def __init__(self, version: str | Exception) -> None:
        self.version = version

    def run(self, argv: Any, **_: Any) -> Completed:
        """Say the version, or copy what is to be copied."""
        if isinstance(self.version, Exception) and argv[0] != "cp":
            raise self.version
        if argv[0] == "cp":
            Path(argv[-1]).write_bytes(Path(argv[-2]).read_bytes())
            return Completed(tuple(argv), "here", 0, "", "", 0.0)
        said = f'{{"clientVersion": {{"gitVersion": "{self.version}"}}}}'
        return Completed(tuple(argv), "here", 0, said, "", 0.0)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    """Serve somebody's cluster."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = FakeApi(folder)
    yield server
    current.forget()
    server.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep labs in a folder of the test, on a computer without a bundle."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").write_bytes(b"\x7fELF")
    (programs / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "labs"))
    monkeypatch.delenv("K8SLAB_LAB", raising=False)

    def none() -> None:
        raise BundleError("the bundle is not built")

    monkeypatch.setattr(bundle, "opened", none)
    monkeypatch.setattr(adopt, "search_path", lambda: str(programs))
    return tmp_path / "labs"


@pytest.fixture
def taken(api: FakeApi, tmp_path: Path) -> Callable[..., Adopted]:
    """Return what adopts the cluster as the lab ``team``."""
    file = api.kubeconfig(tmp_path / "config")

    def take(version: str | Exception = "v1.36.0", **options: Any) -> Adopted:
        runner: Any = FakeKubectl(version)
        return adopt.adopt("team", file, runner=runner, **options)

    return take


def test_a_cluster_becomes_a_lab_by_two_requests(
    api: FakeApi, taken: Callable[..., Adopted]
) -> None:
    """Nothing is written into it, and the folder is all that a session needs."""
    done = taken()

    assert set(api.requests) == READS
    assert (done.record.machines, done.record.ranges) == ((), None)
    assert done.record.kubernetes == "1.37.2"
    assert done.kubectl == "v1.36.0 of the PATH"
    cluster = lab.connect("team")
    assert cluster.version() == "v1.37.2"
    cluster.close()


def test_images_come_from_the_readers_registry(
    taken: Callable[..., Adopted],
) -> None:
    """The record names them in full, and a session knows the prefix."""
    record = taken(images="registry.example/team/book/").record

    assert record.images == {
        "echo": "registry.example/team/book/echo:1",
        "mariadb": "registry.example/team/book/mariadb:10.11",
    }
    assert record.prefix == "registry.example/team/book"


@pytest.mark.parametrize(
    "place",
    [
        "registry.example",
        "https://r/p",
        "r/p:1",
        "/p",
        "r/ p",
        "r//p",
        "",
        "r/Ada/p",
        "r/../x",
        "r/x?y",
    ],
)
def test_a_place_for_images_has_a_path_and_no_tag(
    taken: Callable[..., Adopted], home: Path, place: str
) -> None:
    """It is refused before anything is asked, as is that of an empty variable."""
    with pytest.raises(BadInput, match="no place for images"):
        taken(images=place)

    assert not home.exists()


def test_a_lab_is_never_replaced_by_a_cluster(
    taken: Callable[..., Adopted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab with machines keeps its folder."""
    record = taken().record
    made: Any = SimpleNamespace(is_adopted=False, machines=(1, 2))
    monkeypatch.setattr("k8slab.folder.LabFolder.record", lambda _: made)

    with pytest.raises(BadInput, match="already"):
        taken()

    monkeypatch.undo()
    assert record.is_adopted


def test_a_folder_that_is_no_labs_is_left_alone(
    api: FakeApi, taken: Callable[..., Adopted], home: Path
) -> None:
    """Nothing is written there, and what has a name as a lab's files have stays."""
    kept = home / "team" / "client" / "contract.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("signed")
    (home / "team" / "kubeconfig").write_text("mine")
    (home / "team" / "notes.txt").write_text("")
    with pytest.raises(BadInput, match="something else in the place") as caught:
        taken()

    assert caught.value.seen == "notes.txt"
    assert kept.read_text() == "signed"
    assert (home / "team" / "kubeconfig").read_text() == "mine"
    assert api.requests == []


def test_a_cluster_inherits_nothing(taken: Callable[..., Adopted], home: Path) -> None:
    """The faults of a lab that lost its record would be undone in somebody's."""
    journal = home / "team" / "journal"
    journal.mkdir(parents=True)
    (journal / "1.json").write_text("{}")
    taken()

    assert not journal.exists()


def test_a_cluster_is_adopted_again_for_new_credentials(
    taken: Callable[..., Adopted],
) -> None:
    """The folder has the new ones, and what the client kept of the old ones is gone."""
    taken()
    folder = lab.folder("team")
    lab.connect("team").close()
    assert list((folder.root / "client").glob("*.crt"))

    assert taken(images="r/p").record.prefix == "r/p"
    assert not (folder.root / "client").exists()


def test_images_stay_where_they_are(taken: Callable[..., Adopted], home: Path) -> None:
    """Whether it is adopted again for new credentials, or as its errors say."""
    taken(images="r/p")
    again = taken().record
    (home / "team" / "kubeconfig").write_text("{", "utf-8")
    with pytest.raises(LabError) as caught:
        lab.connect("team").version()

    adopts = "'k8slab adopt --name team --kubeconfig FILE --images r/p'"
    assert again.prefix == "r/p"
    assert again.anew == f"'k8slab down --name team', then {adopts}"
    assert adopts in caught.value.next


def test_a_record_of_another_version_is_forgotten_and_adopted_again(
    taken: Callable[..., Adopted], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without root, as its error says: 'up' would make machines in its place."""
    taken()
    record = home / "team" / "lab.json"
    record.write_text(record.read_text("utf-8").replace('"schema": 1', '"schema": 9'))
    with pytest.raises(LabError, match="another version") as caught:
        lab.find("team")
    monkeypatch.setattr(transitions, "Transitions", None)
    said = CliRunner().invoke(cli.app, ["down", "--name", "team"])

    adopts = "'k8slab adopt --name team --kubeconfig FILE'"
    assert caught.value.next.endswith(f"'k8slab down --name team', then {adopts}")
    assert "forgotten; nothing in it was touched" in said.output
    assert taken().record.is_adopted


def test_another_cluster_does_not_take_the_name(
    api: FakeApi, taken: Callable[..., Adopted]
) -> None:
    """Chapters would go on in another cluster than the one that was meant."""
    taken()
    api.put("namespaces", {"metadata": {"name": "kube-system", "uid": "other"}})

    with pytest.raises(BadInput, match="another cluster") as refused:
        taken()

    assert "'k8slab down --name team'" in refused.value.next


@pytest.mark.parametrize("name", ["fingerprint.json", "kubeconfig"])
def test_a_lab_whose_files_are_damaged_is_adopted_again(
    taken: Callable[..., Adopted], home: Path, name: str
) -> None:
    """As its errors say; they come back as they were."""
    taken()
    damaged = home / "team" / name
    before = damaged.read_text("utf-8")
    damaged.write_text("{", "utf-8")
    with pytest.raises(LabError) as caught:
        lab.connect("team").version()
    taken()

    assert "'k8slab adopt --name team --kubeconfig FILE'" in caught.value.next
    assert damaged.read_text("utf-8") == before


@pytest.mark.parametrize("version", ["v1.35.9", "v1.39.0", "nonsense"])
def test_a_kubectl_that_does_not_fit_is_refused(
    taken: Callable[..., Adopted], home: Path, version: str
) -> None:
    """One minor version apart is all that kubectl promises; no folder is left."""
    with pytest.raises(HostProblem) as refused:
        taken(version)

    assert refused.value.wanted == "kubectl 1.36 to 1.38"
    assert not (home / "team").exists()


BROKEN = [
    HostProblem("this computer refuses: Exec format error"),
    CommandTimeout(["kubectl"], where="here", timeout=1),
    PermissionError("Permission denied"),
]


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what gives this computer a bundle with a kubectl of some version."""

    def build(version: str) -> None:
        own = tmp_path / "own"
        own.write_bytes(b"\x7fELF of the bundle")
        found: Any = SimpleNamespace(
            kubectl=own, versions=SimpleNamespace(kubernetes=version)
        )
        monkeypatch.setattr(bundle, "opened", lambda: found)

    return build


@pytest.mark.parametrize("broken", BROKEN, ids=lambda it: type(it).__name__)
def test_a_broken_kubectl_of_the_path_is_not_asked_before_the_bundles(
    taken: Callable[..., Adopted],
    built: Callable[[str], None],
    home: Path,
    broken: Exception,
) -> None:
    """The bundle's fits; whatever else is on the PATH forbids nothing."""
    built("1.37.2")

    assert taken(broken).kubectl == "v1.37.2 of the bundle"
    assert (home / "team" / "kubectl").read_bytes() == b"\x7fELF of the bundle"


@pytest.mark.parametrize("broken", BROKEN, ids=lambda it: type(it).__name__)
def test_a_broken_kubectl_of_the_path_is_none(
    taken: Callable[..., Adopted], built: Callable[[str], None], broken: Exception
) -> None:
    """Where the bundle's does not fit, or there is no bundle, the step is the usual."""
    with pytest.raises(HostProblem, match="no kubectl here that fits") as alone:
        taken(broken)
    built("1.39.0")
    with pytest.raises(HostProblem, match="no kubectl here that fits") as beside:
        taken(broken)

    assert alone.value.seen.startswith("none that runs")
    assert beside.value.seen == "v1.39.0 of the bundle"


def test_the_paths_kubectl_is_taken_where_the_bundles_does_not_fit(
    taken: Callable[..., Adopted], built: Callable[[str], None]
) -> None:
    """A bundle of another version keeps nobody from adopting."""
    built("1.39.0")

    assert taken("v1.36.0").kubectl == "v1.36.0 of the PATH"


def test_a_kubectl_that_is_written_anew_leaves_the_labs_as_it_is(
    api: FakeApi, tmp_path: Path, home: Path
) -> None:
    """As by 'curl --output', which keeps the file and writes into it."""

    class Linking(FakeKubectl):
        def run(self, argv: Any, **options: Any) -> Completed:
            if argv[0] == "cp" and "--link" in argv:
                Path(argv[-1]).hardlink_to(argv[-2])
                return Completed(tuple(argv), "here", 0, "", "", 0.0)
            return super().run(argv, **options)

    runner: Any = Linking("v1.36.0")
    adopt.adopt("team", api.kubeconfig(tmp_path / "config"), runner=runner)
    (tmp_path / "bin" / "kubectl").write_bytes(b"another one")

    own = home / "team" / "kubectl"
    assert own.read_bytes() == b"\x7fELF"
    assert own.stat().st_mode & 0o777 == 0o755


def test_a_kubectl_that_stands_for_another_program_is_none(
    api: FakeApi, tmp_path: Path, home: Path
) -> None:
    """As of mise or aqua: it looks for its settings at home, which a lab's has not."""

    class StandIn(FakeKubectl):
        def run(self, argv: Any, **options: Any) -> Completed:
            if argv[0] == "env":
                return Completed(tuple(argv), "here", 1, "", "no tool kubectl", 0.0)
            return super().run(argv, **options)

    runner: Any = StandIn("v1.36.0")
    with pytest.raises(HostProblem, match="no kubectl here that fits") as refused:
        adopt.adopt("team", api.kubeconfig(tmp_path / "config"), runner=runner)

    assert "v1.36.0 of the PATH, whose copy does not run" in refused.value.seen
    assert not (home / "team").exists()


def test_the_labs_own_wrapper_is_no_kubectl(
    taken: Callable[..., Adopted], tmp_path: Path
) -> None:
    """In JupyterLab's terminals a script of that name runs this command."""
    (tmp_path / "bin" / "kubectl").write_text("#!/bin/sh\nexec k8slab kubectl")

    with pytest.raises(HostProblem, match="no kubectl"):
        taken()


def test_a_silent_cluster_is_not_adopted(
    api: FakeApi, taken: Callable[..., Adopted], home: Path
) -> None:
    """The step does not send the reader to bring it up."""
    api.close()

    with pytest.raises(ApiUnreachable) as refused:
        taken()

    assert "k8slab" not in refused.value.next
    assert not (home / "team").exists()


@pytest.mark.parametrize(("status", "step"), [(401, "kubeconfig"), (403, "namespace")])
def test_credentials_that_are_refused_have_a_next_step(
    api: FakeApi, taken: Callable[..., Adopted], status: int, step: str
) -> None:
    """What the cluster's owner has to give."""
    api.errors["GET /api/v1/namespaces/kube-system"] = (status, {"kind": "Status"})

    with pytest.raises(ApiError) as refused:
        taken()

    assert step in refused.value.next


@pytest.mark.parametrize(
    "work",
    [
        lambda: lifecycle.up("team"),
        lambda: lifecycle.stop("team"),
        lambda: lifecycle.start("team"),
        lambda: lifecycle.reset("team"),
        lambda: spare.fresh(lab.connect("team")),
        bare.fresh,
        bare.install,
        lambda: Settings.of(lab.connect("team").record),
    ],
)
def test_what_needs_machines_is_refused(
    taken: Callable[..., Adopted],
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[], object],
) -> None:
    """With a step that makes a lab which has some."""
    taken()
    monkeypatch.setenv("K8SLAB_LAB", "team")

    with pytest.raises(NoMachines) as refused:
        work()

    assert refused.value.next == "make a lab beside it: 'k8slab up --name default'"


def test_a_shell_on_a_machine_is_refused(taken: Callable[..., Adopted]) -> None:
    """The command says why, in the place of an unknown machine."""
    taken()

    said = CliRunner().invoke(cli.app, ["ssh", "--name", "team", "master"])

    assert isinstance(said.exception, NoMachines)


def test_down_forgets_it_and_asks_nobody(
    api: FakeApi, taken: Callable[..., Adopted], home: Path
) -> None:
    """No request is sent, no engine is asked, and the command says so."""
    taken()
    before = list(api.requests)

    said = CliRunner().invoke(cli.app, ["down", "--name", "team"])

    assert said.exit_code == 0, said.output
    assert "forgotten; nothing in it was touched" in said.output
    assert api.requests == before
    assert not (home / "team").exists()


def test_its_status_says_whether_it_answers(
    api: FakeApi, taken: Callable[..., Adopted]
) -> None:
    """One line in the place of machines, with the server's address."""
    taken()

    seen = lifecycle.status("team")
    assert (seen.machines, seen.network) == ({"(adopted)": "answers"}, api.url)

    api.close()
    assert "does not answer" in lifecycle.status("team").machines["(adopted)"]


def test_a_lab_of_machines_is_not_forgotten(home: Path) -> None:
    """What is no adopted cluster is left to what removes machines."""
    assert adopted.forget("team") is False
