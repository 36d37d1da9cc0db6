"""Where Debian comes from, and what the machines are told of it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.process import Completed
from k8slab.errors import BundleError
from labmaker.bundle import debian, versions
from labmaker.bundle.graph import BuildContext

KNOWN = versions.read(BUNDLE)
TARGETS = """\
Debian|bookworm|http://mirror.example/debian/|main
Debian|bookworm|http://mirror.example/debian/|main
Debian|bookworm-updates|http://mirror.example/debian/|main
Debian|bookworm-security|http://mirror.example/security/|main
Debian|trixie|http://mirror.example/debian/|main
Debian Backports|bookworm-backports|http://mirror.example/debian/|main
Somebody|bookworm|https://other.example/apt/|main
"""


class FakeHost:
    """A host whose apt has the given index targets; mmdebstrap writes nothing."""

    where = "this machine"

    def __init__(self, targets: str, way: str = "") -> None:
        self.targets = targets
        self.way = way
        self.calls: list[list[str]] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer without running anything."""
        self.calls.append(list(argv))
        told = self.way if argv[0] == "apt-config" else self.targets
        return Completed(tuple(argv), self.where, 0, told, "", 0.0)


def test_only_debians_own_sources_of_the_release_are_taken() -> None:
    """Other vendors, other releases and backports are left out; each line once."""
    seen = debian.sources(FakeHost(TARGETS), "bookworm")

    assert seen == [
        "deb http://mirror.example/security/ bookworm-security main",
        "deb http://mirror.example/debian/ bookworm-updates main",
        "deb http://mirror.example/debian/ bookworm main",
    ]


TRIXIE = """\
Debian|trixie|http://mirror.example/debian/|main
Debian|trixie|http://mirror.example/debian/|non-free-firmware
Debian|trixie-proposed-updates|http://mirror.example/debian/|main
Debian|trixie-security|http://mirror.example/security/|main
Debian|trixie-updates|http://mirror.example/debian/|main
Debian Backports|trixie-backports|http://mirror.example/debian/|main
Somebody|trixie|https://other.example/apt/|main
"""


@pytest.mark.parametrize("keys", [True, False])
def test_a_later_debians_mirrors_have_the_release_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: bool
) -> None:
    """Its suites are named, and the keys of all releases where they are there."""
    ring = tmp_path / "ring.gpg"
    if keys:
        ring.touch()
    monkeypatch.setattr(debian, "_KEYS", ring)
    some = "Debian|bookworm-updates|http://mirror.example/debian/|main\n"
    deb = f"deb [signed-by={ring}]" if keys else "deb"

    assert debian.sources(FakeHost(TRIXIE + some), "bookworm") == [
        f"{deb} http://mirror.example/debian/ bookworm main",
        f"{deb} http://mirror.example/debian/ bookworm non-free-firmware",
        f"{deb} http://mirror.example/debian/ bookworm-updates main",
        f"{deb} http://mirror.example/security/ bookworm-security main",
    ]


@pytest.mark.parametrize(
    "targets",
    [
        "Ubuntu|noble|http://m.example/ubuntu/|main\n",
        "Debian|trixie-updates|http://m.example/debian/|main\n",
        "",
    ],
)
def test_a_host_without_a_source_of_debians_is_told_what_to_do(targets: str) -> None:
    """A bundle comes from elsewhere; nothing mixes releases in its own sources."""
    with pytest.raises(BundleError) as caught:
        debian.sources(FakeHost(targets), "bookworm")

    assert caught.value.wanted.startswith("Origin Debian, Codename bookworm")
    assert "apt-get update" in caught.value.next
    assert "'k8slab bundle import FILE'" in caught.value.next
    assert "add a source" not in caught.value.next


def test_mmdebstrap_cannot_leave_mounts_behind(tmp_path: Path) -> None:
    """It runs in a mount namespace of its own, with its files in the artefact."""
    host = FakeHost(TARGETS)
    context = BuildContext(
        tmp_path, "key", tmp_path, tmp_path, "amd64", KNOWN, host, {}
    )
    debian.make_machine_root(context)
    call = host.calls[-1]

    assert call[call.index("mmdebstrap") - 2 :][:2] == ["unshare", "--mount"]
    assert f"TMPDIR={tmp_path}" in call


def test_a_machine_gets_no_source_key_or_id(tmp_path: Path) -> None:
    """What differs from machine to machine, or names a mirror, is removed."""
    host = FakeHost(TARGETS)
    context = BuildContext(
        tmp_path, "key", tmp_path, tmp_path, "amd64", KNOWN, host, {}
    )
    debian.make_machine_root(context)
    removed = next(
        a for a in host.calls[-1] if a.startswith('--customize-hook=cd "$1"')
    )

    for path in ("etc/apt/sources.list", "etc/machine-id", "etc/ssh/ssh_host_*"):
        assert path in removed.split()


WAY = """Acquire::http "";
Acquire::http::Proxy "http://ada:secret@proxy.example:3128";
Acquire::http::Proxy::near.example "DIRECT";
"""


def test_sources_are_reached_as_apt_reaches_them_here(tmp_path: Path) -> None:
    """By its proxy and with its passwords, of which no image keeps any."""
    host = FakeHost(TARGETS, WAY)
    context = BuildContext(
        tmp_path, "key", tmp_path, tmp_path, "amd64", KNOWN, host, {}
    )
    debian.make_machine_root(context)
    root = tmp_path / "root"
    (root / "etc/apt/apt.conf.d").mkdir(parents=True)
    hooks = [a.partition("=")[2] for a in host.calls[-1] if a.startswith("--setup-h")]
    for hook in hooks:
        subprocess.run(["sh", "-ec", hook, "sh", str(root)], check=True)
    told = (root / "etc/apt/apt.conf.d/99way").read_text("utf-8")
    [clean] = [a for a in host.calls[-1] if a.startswith('--customize-hook=cd "$1"')]
    script = clean.partition("=")[2]
    subprocess.run(["sh", "-ec", script, "sh", str(root)], check=True)

    assert told.splitlines() == WAY.splitlines()[1:]
    assert "secret" not in " ".join(host.calls[-1])
    assert not [p for p in (*tmp_path.glob("*"), *root.rglob("*")) if p.is_file()]
