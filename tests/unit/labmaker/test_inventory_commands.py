"""What commands say of a lab on machines that were there, before they reach any."""

from __future__ import annotations

import errno
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes.shell import FakeShell
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core import hints
from k8slab.core.phases import Ledger, Plain
from k8slab.errors import (
    BadInput,
    CommandFailed,
    LabError,
    LabMissing,
    MachineUnreachable,
    NotReady,
)
from k8slab.folder import LabFolder
from k8slab.lab_record import (
    AGENT,
    INVENTORY,
    JumpRecord,
    LabRecord,
    MachineRecord,
    Ranges,
)
from labmaker import cli, faults, inventory, lifecycle
from labmaker.cli import shared, ssh
from labmaker.install import health
from labmaker.inventory import hostkeys, undo, work
from labmaker.inventory.journal import Journal
from labmaker.inventory.work import InventoryWork
from labmaker.settings import Settings

RANGES = Ranges(
    IPv4Network("192.0.2.8/29"),
    IPv4Network("10.244.0.0/16"),
    IPv4Network("10.96.0.0/16"),
    IPv4Address("10.96.0.10"),
)


SMALL = """\
machines:
  - {name: master, role: control-plane, address: 192.0.2.11}
  - {name: node1, address: 192.0.2.12}
"""


def made(power: tuple[str, ...] = (), *, complete: bool = True) -> LabRecord:
    """Write the folder of a lab of two machines, and return what it says."""
    switch: dict[str, Any] = {"power_off": power, "power_on": power}
    machines = (
        MachineRecord(
            "master", "control-plane", IPv4Address("192.0.2.11"), key=AGENT, **switch
        ),
        MachineRecord(
            "node1",
            "worker",
            IPv4Address("192.0.2.12"),
            user="ada",
            sudo=True,
            port=2222,
            key="/keys/mine",
            jump=JumpRecord("bastion.example", "eve", 2200, "/keys/other"),
            **switch,
        ),
    )
    record = LabRecord("own", INVENTORY, "1.37.2", machines, RANGES, complete=complete)
    folder = lab.folder("own")
    folder.save(record)
    return record


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep labs in a folder of the test; SSH leads nowhere."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "labs"))
    monkeypatch.delenv("K8SLAB_LAB", raising=False)


def refused(*words: str) -> BadInput:
    """Run a command that is refused; return why."""
    result = CliRunner().invoke(cli.app, list(words))
    assert isinstance(result.exception, BadInput), result.output
    return result.exception


@pytest.mark.parametrize("option", ["--nodes", "--slot"])
def test_options_of_machines_that_are_made_are_refused(option: str) -> None:
    """The inventory says which machines there are."""
    error = refused("up", "--name", "new", "--inventory", "x.yaml", option, "1")

    assert option in error.where
    assert not lab.folder("new").root.exists()


def test_down_needs_consent() -> None:
    """Without a terminal it says what to type, and that changes what it says."""
    made()
    error = refused("down", "--name", "own")

    assert error.next == "agree to it: 'k8slab down --name own --yes'"
    assert inventory.find("own") is not None


@pytest.mark.parametrize("answer", [True, False])
def test_down_asks_on_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    """It names the machines, and does what the reader said."""
    made()
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(shared, "asking", lambda: ask)
    if not answer:
        assert refused("down", "--name", "own").seen == "no"
    else:
        monkeypatch.setattr(undo, "machine", lambda *_: False)
        said = CliRunner().invoke(cli.app, ["down", "--name", "own"])
        assert "the machines are as they were" in said.output

    assert "master (192.0.2.11), node1 (192.0.2.12)" in asked[0]
    assert (inventory.find("own") is None) == answer


def test_a_terminal_is_what_can_be_asked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe has nobody at its end, nor has a service, whose input is closed."""
    with monkeypatch.context() as closed:
        closed.setattr(sys, "stdin", None)
        assert shared.asking() is None
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert shared.asking() is None

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    assert shared.asking() is not None


def test_machines_that_are_gone_for_ever_are_forgotten() -> None:
    """None is asked; a lab that was made here is not left behind that way."""
    made()
    said = CliRunner().invoke(cli.app, ["down", "--name", "own", "--forget"])

    assert "its machines stay as they are" in said.output
    assert not lab.folder("own").root.exists()
    assert "--forget" in refused("down", "--name", "other", "--forget").seen


def test_a_machine_that_is_silent_keeps_the_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others are cleaned; the command can be repeated."""
    record = made()
    cleaned: list[str] = []

    def clean(shell: Any, *_: object) -> bool:
        if shell.where == "node1":
            raise MachineUnreachable("node1 does not answer on SSH", where="node1")
        cleaned.append(shell.where)
        return True

    monkeypatch.setattr(undo, "machine", clean)
    with pytest.raises(MachineUnreachable) as caught:
        InventoryWork(lab.folder("own")).remove(Ledger(), record)

    assert cleaned == ["master"]
    assert inventory.find("own") is not None
    assert "'k8slab down --name own --yes'" in caught.value.next
    assert "'k8slab down --name own --forget'" in caught.value.next


def test_power_is_the_readers() -> None:
    """Where the inventory has commands for it, 'stop' runs them, workers first."""
    record = made()
    with pytest.raises(BadInput, match="of master, node1 is not ours to switch"):
        lifecycle.stop("own", reporter=None)

    ran: list[Sequence[str]] = []
    record = made(("virsh", "destroy", "it"))
    runner: Any = type("R", (), {"run": lambda _, argv, **__: ran.append(argv)})()
    InventoryWork(lab.folder("own"), runner).stop(Ledger(), record)
    assert ran == [("virsh", "destroy", "it")] * 2


def test_a_command_that_fails_on_a_machine_that_is_on_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As that of an engine for which this is a mistake; a silent one has a console."""
    master, _ = made(("virsh", "start", "it")).machines
    shell = FakeShell("master", "")

    def refuse(*_: object, **__: object) -> None:
        raise CommandFailed(["virsh"], where="here", returncode=1, stdout="", stderr="")

    def power_on(run: Callable[..., None]) -> None:
        runner, shells = SimpleNamespace(run=run), {"master": shell}
        at_work: Any = InventoryWork(lab.folder("own"), cast(Any, runner))
        at_work._power_on(Ledger(), [master], shells)

    power_on(refuse)
    monkeypatch.setattr(work, "_ON_S", 0.1)
    monkeypatch.setattr(shell, "is_up", lambda: False)
    with pytest.raises(NotReady) as caught:
        power_on(lambda *_, **__: None)

    assert caught.value.next == "look at its console"
    assert caught.value.wanted == "a login over SSH"  # it has no key of the lab


def test_machines_are_not_made_anew() -> None:
    """It says how to do both halves."""
    made()

    error = refused("reset", "--name", "own")
    assert "--inventory FILE" in error.next


def test_a_lab_that_was_never_up_is_undone_first() -> None:
    """Neither 'up' nor a session uses it."""
    record = made(complete=False)
    with pytest.raises(LabError, match="not whole") as caught:
        InventoryWork(lab.folder("own")).look(Ledger(), record)
    with pytest.raises(LabMissing) as missing:
        lab.connect("own")

    for error in (caught.value, missing.value):
        assert "'k8slab down --name own --yes'" in error.next


@pytest.mark.parametrize("own", [True, False], ids=["our network", "a manifest's"])
def test_up_gives_back_routes_that_a_machine_lost(
    monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    """On the machine that lacks them; nodes are Ready without them."""
    pods = IPv4Network("10.244.1.0/24") if own else None
    record = made()
    nodes = tuple(replace(machine, pods=pods) for machine in record.machines)
    shells = {each.name: FakeShell(each.name, str(each.address)) for each in nodes}
    restart = "systemctl restart pod-routes.service"
    lost = shells["node1"]
    show = "ip -4 route show proto boot"  # the kernel's own come and go with Pods
    lost.answer = lambda text: (
        0,
        f"a route{restart in lost.asked}" if text == show else "",
        "",
    )
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    monkeypatch.setattr(health, "is_well", lambda *_: True)
    monkeypatch.setattr(work, "refresh", lambda *_: False)
    said = io.StringIO()
    InventoryWork(lab.folder("own")).look(
        Ledger(Plain(said)), replace(record, machines=nodes)
    )

    assert ("set anew: node1" in said.getvalue()) is own
    assert (restart in lost.asked) is own
    assert "routes to Pods (set anew: node1)" in said.getvalue() or not own


def test_up_leaves_routes_that_a_session_took_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chapter that shows what happens then goes on."""
    record = made()
    nodes = tuple(replace(m, pods=RANGES.pods) for m in record.machines)
    shells = {each.name: FakeShell(each.name, str(each.address)) for each in nodes}
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    monkeypatch.setattr(health, "is_well", lambda *_: True)
    monkeypatch.setattr(work, "refresh", lambda *_: False)
    monkeypatch.setattr(faults, "are_noted", lambda _: True)
    monkeypatch.setattr(faults, "undo", lambda *_, **__: None)
    said = io.StringIO()
    InventoryWork(lab.folder("own")).look(
        Ledger(Plain(said)), replace(record, machines=nodes)
    )

    assert "routes to Pods (left to a living session" in said.getvalue()
    assert not any("pod-routes" in text for text in shells["node1"].asked)


def test_a_full_disk_does_not_keep_machines_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an installation did is undone, although nothing can be written here."""
    record = made()
    undone: list[str] = []

    def clean(shell: Any, *_: object) -> bool:
        undone.append(shell.where)
        return True

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(undo, "machine", clean)
    monkeypatch.setattr(LabFolder, "save", full)
    InventoryWork(lab.folder("own")).remove(Ledger(), record)

    assert undone == ["node1", "master"]
    assert not lab.folder("own").root.exists()


def test_an_installation_that_a_full_disk_kept_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first error leads to what undoes the rest."""
    record, error = made(), LabError("a step failed")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(InventoryWork, "remove", full)
    InventoryWork(lab.folder("own"))._take_back(Ledger(), record, tmp_path, error)

    assert "not undone, as [Errno 28] No space left" in error.next
    assert error.next.endswith("'k8slab down --name own --yes'")


@pytest.mark.parametrize("line", [b'{"kind": "clu', b"5", b"{}", b'"\xff"'])
def test_notes_that_cannot_be_read_are_named(line: bytes) -> None:
    """Other machines are cleaned, and this one can be left as it is."""
    record, folder = made(), lab.folder("own")
    notes = Journal(folder.undo / "node1.jsonl")
    notes.note("cluster")
    with notes.file.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(LabError, match="changed on node1 cannot be read") as caught:
        InventoryWork(folder).remove(Ledger(), record)
    said = CliRunner().invoke(cli.app, ["down", "--name", "own", "--forget"])

    assert caught.value.where == str(notes.file)
    assert caught.value.next.endswith("'k8slab down --name own --forget'")
    assert "its machines stay as they are" in said.output
    assert not folder.root.exists()


@pytest.mark.parametrize("undone", [True, False])
def test_an_installation_that_failed_keeps_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, undone: bool
) -> None:
    """Before what became of the machines; not one for a lab that is gone by then."""

    def fail(*_: object) -> None:
        if not undone:
            raise MachineUnreachable("node1 does not answer on SSH")

    monkeypatch.setattr(InventoryWork, "remove", fail)
    at_work, record = InventoryWork(lab.folder("own")), made()
    mends = LabError("the packages are locked", next="wait for it to end")
    looks = LabError("it is not Ready", next=hints.command("ssh", "own", "node1"))
    for error in (mends, looks):
        at_work._take_back(Ledger(), record, tmp_path / "x", error)

    step = "what was done is undone" if undone else "some of it is not undone"
    assert mends.next.startswith(f"wait for it to end; {step}")
    assert looks.next.startswith(step)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk")], ids=repr)
def test_machines_that_stay_changed_are_told_after_every_end(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
) -> None:
    """The last word would be 'interrupted', with nothing to do about them."""

    def fail(*_: object) -> None:
        raise MachineUnreachable("node1 does not answer on SSH")

    monkeypatch.setattr(InventoryWork, "remove", fail)
    at_work = InventoryWork(lab.folder("own"))
    at_work._take_back(Ledger(), made(), tmp_path / "x", error)

    said = capsys.readouterr().err
    assert said.startswith("some of it is not undone, as node1 does not answer")
    assert said.endswith("'k8slab down --name own --yes'\n")


def test_a_new_lab_inherits_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The faults of one that had its name would be undone on other machines."""
    folder = lab.folder("own")
    folder.journal.mkdir(parents=True)
    versions = SimpleNamespace(kubernetes="1", images={})
    bundle: Any = SimpleNamespace(versions=versions)
    file = tmp_path / "hosts.yaml"
    file.write_text(SMALL)
    seen: list[bool] = []

    def pin(*_: object) -> None:
        seen.append(folder.journal.exists())
        raise LabError("nobody answers")

    monkeypatch.setattr(hostkeys, "pin", pin)
    with pytest.raises(LabError, match="nobody answers"):
        InventoryWork(folder).create(Ledger(), file, bundle, None, keep=False)

    assert seen == [False]


@pytest.mark.parametrize("depot", ["master", ""])
def test_up_gives_back_names_that_a_machine_lost(
    monkeypatch: pytest.MonkeyPatch, depot: str
) -> None:
    """Cloud-init may write the hosts file anew at each boot, without registry.lab."""
    record = replace(made(), maker={"depot": depot})
    shells = {m.name: FakeShell(m.name, str(m.address)) for m in record.nodes}
    files = {"master": "127.0.0.1 localhost\n", "node1": "127.0.0.1 localhost\n"}

    def put(name: str, path: str, text: str) -> bool:
        assert path == "/etc/hosts"
        files[name] = text
        return True

    for name, shell in shells.items():
        monkeypatch.setattr(shell, "read", lambda _, name=name: files[name])
        monkeypatch.setattr(shell, "put", partial(put, name))
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    monkeypatch.setattr(health, "is_well", lambda *_: True)
    monkeypatch.setattr(work, "refresh", lambda *_: False)
    said = []
    for _ in range(2):
        stream = io.StringIO()
        InventoryWork(lab.folder("own")).look(Ledger(Plain(stream)), record)
        said.append(stream.getvalue())

    assert "/etc/hosts (set anew: master, node1)" in said[0]
    assert "/etc/hosts (all are set)" in said[1]
    assert ("192.0.2.11 registry.lab\n" in files["node1"]) is bool(depot)
    assert files["node1"].startswith("127.0.0.1 localhost\n# k8slab: begin\n")


def test_what_was_not_undone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nobody here fills, for one."""
    record = made()

    def skip(*given: Any) -> bool:
        given[-1]("/home")
        return True

    monkeypatch.setattr(undo, "machine", skip)
    said = io.StringIO()
    InventoryWork(lab.folder("own")).remove(Ledger(Plain(said)), record)

    assert said.getvalue().count("undo what was done (left alone: /home)") == 2


def test_another_inventory_needs_another_name(tmp_path: Path) -> None:
    """A lab is not silently moved to other machines."""
    made()

    error = refused("up", "--name", "own", "--inventory", str(tmp_path / "x.yaml"))
    assert error.next == "choose another --name"


def test_no_machine_is_added_to_machines_that_were_there() -> None:
    """Add-ons and spare machines need a lab that was made here."""
    with pytest.raises(LabError, match="were there before it") as caught:
        Settings.of(made())

    assert caught.value.next == "make a lab beside it: 'k8slab up'"  # not this one


def test_ssh_reaches_them_as_the_inventory_says() -> None:
    """By sudo, with the reader's key, through the jump host, pinned on both."""
    folder = lab.folder("own")
    master, node = made().machines
    plain = ssh.argv(folder, master, ["uptime"])
    shell = ssh.argv(folder, node, [])
    run = ssh.argv(folder, node, ["cd /root;", "ls"])

    assert plain[-2:] == ["root@192.0.2.11", "uptime"]
    assert not any("IdentityFile" in word for word in plain)
    assert shell[-3:] == ["ada@192.0.2.12", "sudo", "-i"]
    assert "-t" in shell
    assert run[-6:] == ["sudo", "-n", "--", "sh", "-c", "'cd /root; ls'"]
    assert 'IdentityFile="/keys/mine"' in run
    assert "-p2222" in run
    (way,) = [word for word in run if word.startswith("ProxyCommand=")]
    assert "-W %h:%p -p 2200 eve@bastion.example" in way
    assert way.count("StrictHostKeyChecking=yes") == 1
    assert str(folder.known_hosts) in way


def test_ssh_goes_through_a_jump_host_by_ipv6() -> None:
    """The ssh of this computer takes the address for what it is."""
    machine = made().machines[1]
    assert machine.jump is not None
    jump = replace(machine.jump, address="2001:db8::1")
    run = ssh.argv(lab.folder("own"), replace(machine, jump=jump), ["ls"])
    (way,) = [word for word in run if word.startswith("ProxyCommand=")]
    words = shlex.split(way.partition("=")[2].replace("%h:%p", "192.0.2.12:2222"))
    told = subprocess.run(
        [words[0], "-G", *words[1:]], capture_output=True, text=True, check=True
    )

    assert {"user eve", "hostname 2001:db8::1", "port 2200"} <= set(
        told.stdout.splitlines()
    )


def test_a_journal_is_of_the_labs_folder() -> None:
    """It goes with it."""
    folder = LabFolder(lab.folder("own").home, "own")
    Journal(folder.undo / "node1.jsonl").note("cluster")

    folder.remove()
    assert not folder.undo.exists()


@pytest.mark.parametrize(
    ("term", "is_told"), [("xterm-kitty", True), ("tmux-256color", False), ("", False)]
)
def test_a_terminal_that_no_machine_knows_is_a_usual_one(
    monkeypatch: pytest.MonkeyPatch, term: str, is_told: bool
) -> None:
    """A small Debian has few kinds of terminals; top and less end without theirs."""
    monkeypatch.setenv("TERM", term)
    run = ssh.argv(lab.folder("own"), made().machines[0], [])

    assert ("SetEnv=TERM=xterm-256color" in run) is is_told


def test_a_percent_in_a_path_arrives_at_a_jump_host() -> None:
    """Two programs read it, one behind the other, and each has tokens of its own."""
    machine = made().machines[1]
    assert machine.jump is not None
    jump = replace(machine.jump, key="/k/100%h")
    run = ssh.argv(lab.folder("own"), replace(machine, jump=jump), ["ls"])
    (way,) = [word for word in run if word.startswith("ProxyCommand=")]
    outer = way.partition("=")[2].replace("%h:%p", "192.0.2.12:22").replace("%%", "%")
    words = shlex.split(outer)
    told = subprocess.run(
        [words[0], "-G", *words[1:]], capture_output=True, text=True, check=True
    )

    assert "identityfile /k/100%%h" in told.stdout.splitlines()
