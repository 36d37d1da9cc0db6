"""Images are pushed as the depot's registry has them, under the reader's prefix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from k8slab.core.process import Completed
from k8slab.errors import CommandFailed
from labmaker import bundle, push
from labmaker.bundle import components

IMAGES = [image.name for image in components.chapter_images()]
PLACE = "registry.example/team/book"


class FakeBundle:
    """A bundle that has nothing but the storage of a registry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in IMAGES:
            config = self.blob(f"config of {name}")
            layers = [self.blob(f"{name} layer {number}") for number in range(2)]
            kind = "application/vnd.oci.image.manifest.v1+json"
            manifest = {"mediaType": kind, "config": config, "layers": layers}
            tag = f"repositories/{name}/_manifests/tags/1/current/link"
            link = folder / "docker/registry/v2" / tag
            link.parent.mkdir(parents=True)
            link.write_text(self.blob(json.dumps(manifest))["digest"])

    def blob(self, text: str) -> dict[str, str]:
        """Store a blob as a registry does."""
        value = f"{abs(hash(text)):064x}"
        blobs = self.folder / "docker/registry/v2/blobs/sha256"
        data = blobs / value[:2] / value / "data"
        data.parent.mkdir(parents=True)
        data.write_text(text)
        return {"digest": f"sha256:{value}"}

    def path(self, name: str) -> Path:
        """Return the storage."""
        assert name == "registry"
        return self.folder

    def image_ref(self, name: str) -> str:
        """Return a name as manifests have it."""
        return f"registry.lab/{name}:1"


class FakeSkopeo:
    """Reads the layout it is given while it is there, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.pushed: dict[str, list[str]] = {}
        self.options: set[str] = set()

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        """Remember each blob's text by the name it was pushed under."""
        if self.fails:
            raise CommandFailed(argv, where="here", returncode=1, stderr="denied")
        source, target = Path(argv[-2].removeprefix("oci:")), argv[-1]
        assert argv[:3] == ["skopeo", "--insecure-policy", "copy"]
        self.options |= set(argv[3:-2])
        (entry,) = json.loads((source / "index.json").read_text())["manifests"]
        blobs = source / "blobs"
        manifest = json.loads((blobs / entry["digest"].replace(":", "/")).read_text())
        assert entry["size"] == len(json.dumps(manifest))
        parts = [manifest["config"], *manifest["layers"]]
        self.pushed[target] = [
            (blobs / part["digest"].replace(":", "/")).read_text() for part in parts
        ]
        return Completed(tuple(argv), "here", 0, "", "", 0.0)


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the bundle that is opened be the fake."""
    fake = FakeBundle(tmp_path)
    monkeypatch.setattr(bundle, "opened", lambda: fake)


def test_each_image_is_pushed_whole_under_the_prefix() -> None:
    """Its configuration and its layers, of the storage that every bundle has."""
    skopeo: Any = FakeSkopeo()

    assert push.push(f"{PLACE}/", runner=skopeo) == [
        f"{PLACE}/echo:1",
        f"{PLACE}/mariadb:1",
    ]
    assert skopeo.pushed == {
        f"docker://{PLACE}/{name}:1": [
            f"config of {name}",
            f"{name} layer 0",
            f"{name} layer 1",
        ]
        for name in IMAGES
    }
    assert skopeo.options == {"--quiet"}


def test_a_registry_without_tls_is_asked_for() -> None:
    """Never by itself."""
    skopeo: Any = FakeSkopeo()

    push.push(PLACE, plain=True, runner=skopeo)

    assert "--dest-tls-verify=false" in skopeo.options


def test_a_registry_that_refuses_has_a_next_step() -> None:
    """It names the registry to log in to."""
    skopeo: Any = FakeSkopeo(fails=True)

    with pytest.raises(CommandFailed) as refused:
        push.push(PLACE, runner=skopeo)

    assert "skopeo login registry.example;" in refused.value.next
