"""Every component compiles for the other kind of processor, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from k8slab.core.env import Environment
from k8slab.core.process import LocalRunner
from labmaker.bundle import go, source, versions
from labmaker.bundle.architecture import architecture
from labmaker.bundle.components import COMPONENTS
from labmaker.bundle.graph import BuildContext

(OTHER,) = {"amd64", "arm64"} - {architecture()}
# Of some only manifests are taken.
MODULES = {
    each.name: each.module
    for each in COMPONENTS
    if each.module is not None and each.module.programs
}
# What a program's file says of its processor, in its bytes 18 and 19.
MACHINES = {"amd64": 62, "arm64": 183}


@pytest.mark.parametrize("name", MODULES)
def test_a_component_compiles_for_the_other_processor(
    name: str, tmp_path: Path
) -> None:
    """Its programs are of that kind; what was fetched is shared, results are not."""
    kept = Environment.read().cache / "go"
    (tmp_path / "go").mkdir()
    for shared in (path for path in kept.glob("*") if path.name != "build"):
        (tmp_path / "go" / shared.name).symlink_to(shared)
    out, module = tmp_path / "out", MODULES[name]
    out.mkdir()
    known = versions.read(source())
    context = BuildContext(
        out, "", source(), tmp_path, OTHER, known, LocalRunner(), needs={}
    )

    go.compile_module(context, name, module)

    programs = {path.name: _machine(path) for path in (out / "bin").iterdir()}
    assert programs == dict.fromkeys(module.programs, MACHINES[OTHER])


def _machine(program: Path) -> int:
    """Return the number by which a program's file names its processor."""
    with program.open("rb") as file:
        return int.from_bytes(file.read(20)[18:], "little")
