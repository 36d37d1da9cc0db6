"""A lab whose engine has ceased to work says so, and can be removed without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.host import FakeHost
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core.phases import Ledger
from k8slab.errors import CommandFailed, HostProblem
from k8slab.folder import LabFolder
from labmaker import cli, lifecycle
from labmaker.lifecycle import engine, transitions
from labmaker.lifecycle.transitions import Transitions
from labmaker.providers import NAMES, provider_of
from labmaker.settings import Settings

RECORD = Settings("test", 3, 1, "ready", "docker", "1").record(lambda _: ((), ()), {})
Make = Callable[[], Transitions]


@pytest.fixture
def host() -> FakeHost:
    """Return a computer that has docker, and runs it."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    return host


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: FakeHost) -> Make:
    """Return what works on a lab that docker made on that computer."""

    def provider(name: str, lab: str, *_: object, **__: object) -> Any:
        return provider_of(name, lab, host, host=host)

    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    every = [provider(name, "") for name in NAMES]
    monkeypatch.setattr(transitions, "working", lambda _: filter(works, every))
    monkeypatch.setattr(lifecycle, "provider_of", provider)
    monkeypatch.setattr(lifecycle, "require_root", lambda _: None)
    runner: Any = host

    def make() -> Transitions:
        folder = LabFolder(tmp_path, "test")
        folder.save(RECORD)
        return Transitions(
            folder, "", tmp_path, tmp_path, runner=runner, providers=provider
        )

    return make


def works(provider: Any) -> bool:
    """Say whether a provider works."""
    try:
        provider.about()
    except HostProblem:
        return False
    return True


def revive(work: Transitions) -> None:
    """Make the lab whole."""
    work.revive(Ledger(), RECORD, workers=None, image=None, slot=None)


VERBS: dict[str, Callable[[Transitions], object]] = {
    "up": revive,
    "stop": lambda work: work.stop(Ledger()),
    "status": lambda _: lifecycle.status("test"),
    "down": lambda work: work.remove(Ledger()),
}


@pytest.mark.parametrize("verb", ["up", "stop", "status"])
def test_a_lab_whose_engine_was_removed_says_both_ways_on(
    made: Make, host: FakeHost, verb: str
) -> None:
    """To install it again, or to give the lab up: the doctor looks at another one."""
    work = made()
    host.commands -= {"docker", "dockerd"}
    with pytest.raises(HostProblem) as caught:
        VERBS[verb](work)

    assert caught.value.what == (
        "the lab 'test' was made by docker, which does not work now"
    )
    assert caught.value.seen == "there is no docker and no dockerd"
    assert caught.value.next == (
        "install it again: apt-get install --yes docker.io; or remove what else there "
        "is of the lab: 'k8slab down --name test'"
    )


@pytest.mark.parametrize("verb", VERBS)
def test_a_lab_whose_engine_is_stopped_says_how_to_start_it(
    made: Make, host: FakeHost, verb: str
) -> None:
    """Its machines are there, so nothing of it is removed."""
    work = made()
    host.engine_code = 1
    with pytest.raises(HostProblem, match="was made by docker") as caught:
        VERBS[verb](work)

    assert "cannot connect to the storage" in caught.value.seen
    assert caught.value.next.startswith("start its daemon: service docker start")
    assert lab.find("test") == RECORD
    assert not any("iptables" in argv for argv in host.asked)


def test_a_lab_whose_engine_was_removed_can_be_removed(
    made: Make, host: FakeHost
) -> None:
    """All but its machines; what would remove those is said."""
    work, ledger = made(), Ledger()
    host.commands -= {"docker", "dockerd"}
    held = [{"addr_info": [{"local": "172.30.4.1"}], "ifname": "k8slab-3"}, {}]
    host.says["ip"] = json.dumps(held)
    removed = work.remove(ledger)
    (phase,) = ledger.phases

    assert removed.there
    assert not work.folder.root.exists()
    assert ("iptables", "--wait", "-t", "filter", "-X", "K8SLAB-3") in host.asked
    assert ("ip", "link", "delete", "k8slab-3") in host.asked
    assert any("172.30.4.0/24" in argv and "delete" in argv for argv in host.asked)
    assert phase.outcome == "changed"
    assert removed.left == phase.detail
    assert removed.left.endswith(
        "apt-get install --yes docker.io, then 'k8slab down --name test'"
    )


def test_a_lab_whose_engine_lost_a_part_keeps_its_machines(
    made: Make, host: FakeHost
) -> None:
    """The daemon is there, and only its client is to be installed."""
    work = made()
    host.commands -= {"docker"}
    with pytest.raises(HostProblem, match="was made by docker") as caught:
        work.remove(Ledger())

    assert caught.value.next == "apt-get install --yes docker.io"
    assert work.folder.root.exists()


def test_an_engine_that_works_tells_its_own_failures(host: FakeHost) -> None:
    """It has answered, so nothing is wrong with it."""
    provider = provider_of("docker", "test", host, host=host)
    with (
        pytest.raises(CommandFailed, match="'docker' ended"),
        engine.asked(provider, "test"),
    ):
        raise CommandFailed(["docker"], where="x", returncode=125)


@pytest.mark.parametrize(
    ("commands", "code", "ok"),
    [(set[str](), 0, True), ({"podman", "runc"}, 0, True), ({"podman"}, 1, False)],
    ids=["none", "another", "one that does not work"],
)
def test_a_damaged_lab_is_removed_where_an_engine_can_be_asked_or_none_is_there(
    made: Make, host: FakeHost, commands: set[str], code: int, ok: bool
) -> None:
    """Of one that is there and does not answer nobody knows what it has."""
    work = made()
    work.folder.record_file.write_text("{")
    host.commands = {"ip", "iptables", *commands}
    host.engine_code, host.engine_says["podman"] = code, ""
    if ok:
        assert work.remove(Ledger()).there
    else:
        with pytest.raises(HostProblem, match="podman does not work"):
            work.remove(Ledger())

    assert work.folder.root.exists() != ok


def test_the_table_of_labs_says_what_was_seen(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an error knows no way on; else the reader learns nothing."""
    made()

    def fail(name: str) -> None:
        raise CommandFailed(["x"], where="here", returncode=1, stderr="out of luck")

    monkeypatch.setattr(lifecycle, "status", fail)
    said = CliRunner().invoke(cli.app, ["status"])

    assert said.exit_code == 0, said.output
    assert "'x' ended with exit code 1: out of luck" in said.output
