"""The whole way from a clone to the last trace, on this computer and on stock ones.

Stock Debians are guests of qemu. Where this computer cannot run them by its own
processor they are emulated, about 25 times slower: their programs then go the whole
way on this computer's kernel first, which finds most faults in minutes, and leaves them
less to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import proven
import pytest
from guests import acceleration, disk, guest, programs
from guests.acceleration import KVM
from guests.disk import System
from guests.place import Place
from journey import Journey
from proven import Row

from k8slab.core.env import patience
from k8slab.core.process import LocalRunner
from labmaker.bundle.architecture import architecture

KIT, REPOSITORY, CLONE = "/srv/kit.tar.zst", "/srv/k8slab.git", "/root/k8slab"
RELEASES = ["bookworm", "trixie"]


@pytest.fixture
def system(place: Place, request: pytest.FixtureRequest) -> Iterator[System]:
    """Return the stock Debian of a release, with the kit and the repository in it."""
    folder = place.folder / request.param
    folder.mkdir()
    files = {KIT: place.kit, REPOSITORY: place.repository}
    yield disk.make(request.param, folder, LocalRunner(), files)
    shutil.rmtree(folder)


def test_this_computer(place: Place) -> None:
    """A clone in another folder, with the kit for a bundle, does all that it should."""
    folder = place.folder / "itself"
    variables = {f"K8SLAB_{name}": str(folder / name) for name in ("HOME", "CACHE")}
    clone, said = str(folder / "clone"), log(place, "itself")
    journey = Journey(LocalRunner(), clone, said, variables=variables)
    try:
        journey.get(str(place.repository))
        journey.install()
        journey.take(str(place.kit))
        journey.use()
    finally:
        journey.end()
        keep(journey, "itself")


@pytest.mark.skipif(architecture() != "amd64", reason="guests are made for amd64 only")
@pytest.mark.parametrize("system", RELEASES, indirect=True)
def test_a_stock_debian(
    place: Place, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stock Debian, with its own kernel and cgroup v2, does all that it should."""
    run = LocalRunner()
    found, why = acceleration.find(system.kernel, system.initrd)
    print(f"\n{system.name} runs by {found.name}", why)
    if found is not KVM:
        its_programs(place, system)
    disk.finish(system, run)
    patient = str(max(found.patience, patience()))
    # It stretches the deadlines here, too: of connections, and of the steps.
    monkeypatch.setenv("K8SLAB_PATIENCE", patient)
    console = place.artefacts / f"{system.release}-console.log"
    with guest.running(system, found, console) as shell:
        journey = Journey(
            shell,
            CLONE,
            log(place, system.release),
            variables={"K8SLAB_PATIENCE": patient},
            also=console,
        )
        try:
            if found is KVM:
                journey.get(REPOSITORY)
            journey.install()
            if found is KVM:
                journey.take(KIT)
            journey.use()
        finally:
            keep(journey, found.name)


def its_programs(place: Place, system: System) -> None:
    """Go the whole way with a Debian's programs on this computer's kernel.

    It takes minutes, and leaves what a guest would spend hours on: the environment, the
    packages, the bundle and the machines' images.
    """
    said, run = log(place, f"{system.release}-programs"), LocalRunner()
    with programs.opened(system, run, outside=True) as runner:
        journey = Journey(runner, CLONE, said)
        journey.get(REPOSITORY)
        journey.install()
        journey.take(KIT)
    with programs.opened(system, run, outside=False) as runner:
        journey.run = runner
        try:
            journey.use()
        finally:
            keep(journey, "programs")


def log(place: Place, name: str) -> Path:
    """Return the empty file that keeps what commands on a computer say."""
    file = place.artefacts / f"{name}.log"
    file.write_text("", "utf-8")
    return file


def keep(journey: Journey, runs: str) -> None:
    """Write down what came out, good or bad, of a computer that could be prepared."""
    if facts := journey.facts:
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        out = {"runs": runs, "date": today, "result": journey.result}
        proven.keep(Row(**facts, **out, seconds=journey.seconds))
