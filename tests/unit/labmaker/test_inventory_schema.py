"""An inventory file: what it may say, and which line and field is wrong."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from k8slab.errors import BadInput
from k8slab.lab_record import AGENT, JumpRecord, LabRecord
from k8slab.ssh.keys import generate_key
from labmaker.inventory.schema import Inventory, read, spanning
from labmaker.pki import make_identity

KEY = "SHA256:" + "a" * 43
WHOLE = f"""\
defaults:
  user: ada
  sudo: true
  key: id_ed25519
  jump: bastion
jump_hosts:
  - name: bastion
    address: bastion.example
    port: 2222
    host_key: {KEY}
machines:
  - name: node1
    address: 192.0.2.12
  - name: master
    role: control-plane
    address: 192.0.2.11
    user: root
    sudo: false
    port: 22022
    host_key: {KEY}
    power_off: [virsh, destroy, master]
    power_on: [virsh, start, master]
pods: 10.20.0.0/16
services: 10.30.0.0/20
depot: node1
"""
SMALL = """\
machines:
  - {name: master, role: control-plane, address: 192.0.2.11}
  - {name: node1, address: 192.0.2.12}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where an inventory is, beside the files that it may name."""
    (tmp_path / "id_ed25519").write_text(generate_key()[0])
    return tmp_path / "hosts.yaml"


def given(file: Path, text: str) -> Inventory:
    """Read a text as an inventory."""
    file.write_text(text, encoding="utf-8")
    return read(file)


def test_everything_is_read(file: Path) -> None:
    """The control plane comes first; each machine may say other than the defaults."""
    told = given(file, WHOLE)
    master, node = told.machines
    key = str(file.parent / "id_ed25519")

    assert (master.name, master.user, master.sudo) == ("master", "root", False)
    assert (master.port, master.power_on) == (22022, ("virsh", "start", "master"))
    assert (node.name, node.user, node.sudo, node.key) == ("node1", "ada", True, key)
    assert node.jump == JumpRecord("bastion.example", "ada", 2222, key)
    assert [str(machine.pods) for machine in told.machines] == [
        *("10.20.1.0/24", "10.20.2.0/24")
    ]
    assert [(host.name, host.behind) for host in told.hosts] == [
        *(("bastion", ""), ("node1", "bastion"), ("master", "bastion"))
    ]
    assert (str(told.services), told.depot) == ("10.30.0.0/20", "node1")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("2001:DB8:0::1", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("jump_host.example", "jump_host.example"),
    ],
)
def test_a_jump_host_may_have_any_name_or_address(
    file: Path, written: str, address: str
) -> None:
    """It is no node of the cluster; an address is written as ssh compares it."""
    told = given(file, WHOLE.replace("bastion.example", f"'{written}'"))
    jump = told.machines[0].jump

    assert jump is not None
    assert jump.address == told.hosts[0].address == address


@pytest.mark.parametrize(
    "name", ["a..b", "a.-b", f"{'a' * 64}.example", "a." * 127 + "a"]
)
def test_a_jump_host_that_no_name_server_can_know_is_refused(
    file: Path, name: str
) -> None:
    """Python says of it that a text cannot be encoded, as of a wrong terminal."""
    with pytest.raises(BadInput, match="that value cannot be") as refused:
        given(file, WHOLE.replace("bastion.example", name))

    assert "jump_hosts[0].address" in refused.value.where


def test_little_is_enough(file: Path) -> None:
    """Root logs in by the agent's keys, and the control plane keeps the images."""
    told = given(file, SMALL)

    assert {machine.user for machine in told.machines} == {"root"}
    assert {machine.key for machine in told.machines} == {AGENT}
    assert told.depot == "master"
    assert (told.packages, told.images, told.cni) == (None, None, None)


def test_a_record_keeps_how_to_reach_machines(file: Path) -> None:
    """What the folder of a lab says is what was written, a jump host too."""
    machines = given(file, WHOLE).machines
    record = LabRecord("own", "inventory", "1.37.2", machines, None)

    assert LabRecord.from_json(record.to_json()) == record


def test_the_readers_own_sources(file: Path) -> None:
    """A registry takes the place of the depot, and a manifest that of our network."""
    file.with_name("cni.yaml").write_text("kind: DaemonSet\n")
    told = given(
        file,
        SMALL
        + "cni: cni.yaml\n"
        + "packages: {source: 'deb https://pkgs.example/core lab main'}\n"
        + "images: {mirror: 'https://registry.example:5000/v2/team/book'}\n",
    )

    assert told.packages is not None
    assert told.packages.host == "pkgs.example"
    assert told.images is not None
    assert told.images.mirror.endswith("/v2/team/book")
    assert told.depot == ""
    assert [machine.pods for machine in told.machines] == [None, None]


def test_a_carriers_range_is_nobodys_either(file: Path) -> None:
    """https://www.rfc-editor.org/rfc/rfc6598: no route of the Internet has it."""
    assert str(given(file, SMALL + "pods: 100.64.0.0/16\n").pods) == "100.64.0.0/16"


WRONG = [
    ("", 1, "", "a field is missing", "machines"),
    ("machines: []\n", 1, "machines", "that is no list", "items"),
    ("machines: 3\n", 1, "machines", "that is no list", "items"),
    (SMALL + "depots: x\n", 4, "depots", "no such field", "depot"),
    (SMALL + "depot: node9\n", 4, "depot", "no such machine", "master, node1"),
    (SMALL + "pods: 10.0.0.0/24\n", 4, "pods", "range cannot be", "/20"),
    (SMALL + "pods: 192.0.2.0\n", 4, "pods", "cannot be", ""),
    (SMALL + "pods: 8.0.0.0/8\n", 4, "pods", "range cannot be", "private"),
    (SMALL + "pods: 127.0.0.0/16\n", 4, "pods", "range cannot be", "10.0.0.0/8"),
    (SMALL + "pods: 169.254.0.0/16\n", 4, "pods", "range cannot be", "private"),
    (SMALL + "services: 10.0.0.0/8\n", 4, "services", "range cannot be", "/12"),
    (SMALL + "pods: 10.96.0.0/16\n", 4, "pods", "share addresses", "two ranges"),
    (SMALL + "cni: no.yaml\n", 4, "cni", "no such file", "a file"),
    (SMALL + "packages: {source: x}\n", 4, "packages.source", "apt", "deb "),
    (SMALL + "images: {mirror: x}\n", 4, "images.mirror", "cannot be", "https://"),
    (
        SMALL + "depot: master\nimages: {mirror: 'https://r.example'}\n",
        *(4, "depot", "one place", "either"),
    ),
    (SMALL + SMALL, 4, "machines", "twice", "once"),
    (SMALL.replace("192.0.2.12", "1.2.3"), 3, "machines[1].address", "", "IPv4"),
    (SMALL.replace("192.0.2.12", "224.0.0.9"), 3, "machines[1].address", "", "IPv4"),
    (SMALL.replace("192.0.2.12", "240.0.0.1"), 3, "machines[1].address", "", "IPv4"),
    (SMALL.replace("node1", "localhost"), 3, "machines[1].name", "calls itself", ""),
    (
        SMALL.replace("12}", "12, key: ~nobodyxyz/id}"),
        *(3, "machines[1].key", "no such file", "a user that there is"),
    ),
    (SMALL.replace("node1", "Node_1"), 3, "machines[1].name", "", "lower-case"),
    (SMALL.replace("node1", "master"), 3, "machines[1].name", "one name", ""),
    (SMALL.replace(".12", ".11"), 3, "machines[1].address", "one address", ""),
    (SMALL.replace("control-plane", "boss"), 2, "machines[0].role", "role", "worker"),
    (SMALL.replace("role: control-plane, ", ""), 2, "machines", "control plane", ""),
    (SMALL.replace("12}", "12, port: 0}"), 3, "machines[1].port", "", "65535"),
    (SMALL.replace("12}", "12, sudo: ja}"), 3, "machines[1].sudo", "", "true"),
    (SMALL.replace("12}", "12, user: ada}"), 3, "machines[1].name", "root", "sudo"),
    (SMALL.replace("12}", "12, jump: b}"), 3, "machines[1].jump", "jump host", ""),
    (
        SMALL + "jump_hosts: [{name: node1, address: 192.0.2.1}]\n",
        *(3, "machines[1].name", "a jump host has that name", "no jump host"),
    ),
    (
        SMALL + "jump_hosts: [{name: b, address: '2001:db8:::1'}]\n",
        *(4, "jump_hosts[0].address", "cannot be", "name or address"),
    ),
    (
        SMALL + "jump_hosts: [{name: b, address: 'fe80::1%eth0'}]\n",
        *(4, "jump_hosts[0].address", "cannot be", "name or address"),
    ),
    (SMALL.replace("12}", "12, key: no}"), 3, "machines[1].key", "no such file", ""),
    (SMALL.replace("12}", "12, host_key: x}"), 3, "machines[1].host_key", "", "SHA"),
    (
        SMALL.replace("12}", "12, power_on: [a]}"),
        *(3, "machines[1].power_on", "both ways", "power_off"),
    ),
    (SMALL.replace("192.0.2.12", "10.244.1.1"), 3, "machines[1]", "Pods", "outside"),
]


@pytest.mark.parametrize(("text", "line", "field", "what", "wanted"), WRONG)
def test_what_is_wrong_is_named_by_line_and_field(
    file: Path, text: str, line: int, field: str, what: str, wanted: str
) -> None:
    """Nothing is sent anywhere; the reader goes to the line and corrects it."""
    with pytest.raises(BadInput) as caught:
        given(file, text)

    assert caught.value.where == f"{file}, line {line}: {field or 'the whole file'}"
    assert what in caught.value.what
    assert wanted in caught.value.wanted
    assert caught.value.next == f"correct line {line}, then repeat the command"


FILES = [
    ("images: {mirror: 'https://r.example', ca: it}", b"\x30\x82\1", "PEM", ""),
    ("packages: {source: 'deb x', ca: it}", b"<html>", "PEM", ""),
    ("images: {mirror: 'https://r.example', ca: it}", b"", "PEM", ""),
    (
        "packages: {source: 'deb x', key: it}",
        *(b"-----BEGIN PGP PUBLIC KEY BLOCK-----", "binary", "gpg --dearmor"),
    ),
    ("cni: it", b"\xff\xfe", "its kind", ""),
    ("cni: it", b"<!doctype html>", "its kind", ""),
    ("cni: it", b"a: b: c", "its kind", ""),
    ("cni: it", b"[kind]", "its kind", ""),
    ("cni: it", b"---\n", "its kind", ""),
]


@pytest.mark.parametrize(("text", "content", "wanted", "command"), FILES)
def test_a_file_that_holds_something_else_is_told_at_once(
    file: Path, text: str, content: bytes, wanted: str, command: str
) -> None:
    """Not when the machines are changed already; what can be converted says how."""
    other = file.with_name("it")
    other.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        given(file, f"{SMALL}{text}\n")

    assert f"{file}, line 4: " in caught.value.where
    assert str(other) in caught.value.seen
    assert wanted in caught.value.wanted
    assert command in caught.value.next
    assert ("\n" in caught.value.next) == bool(command)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        (SMALL.replace("12}", "12, key: id_ed25519.pub}"), 3, "machines[1].key"),
        (f"defaults: {{key: id_ed25519.pub}}\n{SMALL}", 1, "defaults.key"),
        (
            f"{SMALL}jump_hosts: [{{name: b, address: b, key: id_ed25519.pub}}]\n",
            *(4, "jump_hosts[0].key"),
        ),
    ],
)
def test_a_key_that_cannot_log_in_is_told_at_once(
    file: Path, text: str, line: int, field: str
) -> None:
    """By line and field, before anything is sent."""
    file.with_name("id_ed25519.pub").write_text(generate_key()[1])
    with pytest.raises(BadInput, match="private key cannot be read") as caught:
        given(file, text)

    assert caught.value.where == f"{file}, line {line}: {field}"
    assert "a public key" in caught.value.seen
    assert f"name the private one: {file.parent}/id_ed25519" in caught.value.next
    assert caught.value.next.endswith(f"correct line {line}, then repeat the command")


@pytest.mark.parametrize("kind", ["ca", "key"])
def test_what_can_be_converted_is_by_the_printed_command(file: Path, kind: str) -> None:
    """It is typed as printed, from any folder; what it makes is taken."""
    other = file.with_name("a file")
    if kind == "ca":
        pem = make_identity("lab", ["depot.lab"]).ca.encode()
        certificate = x509.load_pem_x509_certificate(pem)
        other.write_bytes(certificate.public_bytes(Encoding.DER))
    else:
        packet = base64.b64encode(b"\x99\x01\x8d\x04" * 10).decode()
        block = "PGP PUBLIC KEY BLOCK-----"
        other.write_text(f"-----BEGIN {block}\n\n{packet}\n-----END {block}\n")
    text = f"{SMALL}packages: {{source: deb x, {kind}: '%s'}}\n"
    with pytest.raises(BadInput) as caught:
        given(file, text % other.name)

    command = caught.value.next.splitlines()[-1]
    home = {**os.environ, "GNUPGHOME": str(file.parent)}
    subprocess.run(command, shell=True, cwd="/", env=home, check=True)  # noqa: S602 - ours
    (made,) = (path for path in file.parent.iterdir() if path.name[:7] == "a file.")
    packages = given(file, text % made.name).packages
    assert packages is not None
    assert getattr(packages, kind) == made


MANIFEST = """\
---
kind: Namespace
---
kind: CustomResourceDefinition
enum: [=, "!="]
built: 2024-13-45
---
"""


def test_files_that_hold_what_they_should_are_taken(file: Path) -> None:
    """A certificate in PEM, a key in binary, a manifest of several objects."""
    file.with_name("ca").write_text(make_identity("lab", ["depot.lab"]).ca)
    file.with_name("key").write_bytes(b"\x99\x01\x8d\x04")
    file.with_name("net").write_text(MANIFEST)
    told = given(
        file,
        f"{SMALL}packages: {{source: deb x, key: key, ca: ca}}\ncni: net\n",
    )

    assert told.packages is not None
    named = (told.packages.key, told.packages.ca, told.cni)
    assert named == tuple(file.with_name(each) for each in ("key", "ca", "net"))


def test_what_is_no_yaml_is_named_by_line(file: Path) -> None:
    """The parser's own words are told."""
    with pytest.raises(BadInput, match="no YAML") as caught:
        given(file, "machines:\n  - {name: master\nx: y\n")

    assert f"{file}, line 3" == caught.value.where


def test_what_is_nested_without_end_is_refused(file: Path) -> None:
    """No error of Python's own ends it."""
    with pytest.raises(BadInput, match="no YAML"):
        given(file, "machines: " + "[" * 1000)


def test_a_manifest_nested_without_end_is_refused(file: Path) -> None:
    """It is as any other file that is none."""
    file.with_name("net").write_text("kind: " + "[" * 1000)
    with pytest.raises(BadInput, match="no manifest"):
        given(file, f"{SMALL}cni: net\n")


def test_a_file_that_is_not_there(file: Path) -> None:
    """It is named, and so is the option."""
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read(file)

    assert "--inventory" in caught.value.next


def test_the_range_of_machines_has_them_all(file: Path) -> None:
    """It is the smallest one."""
    addresses = [machine.address for machine in given(file, SMALL).machines]

    assert str(spanning(addresses)) == "192.0.2.8/29"
