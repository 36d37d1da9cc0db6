"""Machines of the reader: by sudo, by any key or an agent, through a jump host."""

from __future__ import annotations

import base64
import os
import re
import shlex
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest
from fakes.ssh_server import FakeMachine

from k8slab import wait
from k8slab.errors import (
    BadInput,
    HostKeyMismatch,
    LabError,
    MachineUnreachable,
)
from k8slab.ssh.connect import Login, is_refusal
from k8slab.ssh.keys import read_key

SUDO = """\
#!/bin/sh
[ "$1 $2" = "-n --" ] || exit 1
shift 2
BY_SUDO=yes exec "$@"
"""
Made = Callable[[str], FakeMachine]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Return what makes a machine of a name."""
    machines = []

    def make(name: str) -> FakeMachine:
        (tmp_path / name).mkdir()
        machines.append(FakeMachine(tmp_path / name))
        return machines[-1]

    yield make
    for each in machines:
        each.close()


@pytest.fixture
def sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a sudo on the machines that says that it was there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sudo").write_text(SUDO)
    (folder / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def keygen(file: Path, kind: str, passphrase: str = "") -> str:
    """Make a key pair; return the public line's type and data."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(file)]
    subprocess.run(argv, check=True)
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


def login(machine: FakeMachine, **other: object) -> Login:
    """Return how to log in to a machine of the reader's."""
    settings = {"jump": None, "key": machine.key, **other}
    return Login(
        "own",
        "node1",
        "127.0.0.1",
        machine.port,
        "ada",
        known_hosts=machine.known_hosts,
        foreign=True,
        **settings,  # type: ignore[arg-type]
    )


@pytest.mark.usefixtures("sudo")
def test_commands_and_scripts_are_roots(made: Made) -> None:
    """Input, output and exit code are as without sudo."""
    with made("node1").runner(sudo=True) as ssh:
        assert ssh.run(["sh", "-c", "echo $BY_SUDO"]).stdout == "yes\n"
        assert ssh.run(["cat"], input="x").stdout == "x"
        assert ssh.script("echo $BY_SUDO").stdout == "yes\n"
        assert ssh.run(["sh", "-c", "exit 3"], check=False).returncode == 3


def test_a_machine_of_another_language_speaks_english(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What programs and bash say is read here."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with made("node1").runner() as ssh:
        assert ssh.run(["printenv", "LC_ALL"]).stdout == "C\n"
        assert ssh.script("echo $LC_ALL").stdout == "C\n"


def test_only_a_package_manager_goes_by_a_machines_proxy(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no way to the machine's own API server, and Pods would inherit it."""
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexec printenv\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    names = {f"{kind}_proxy" for kind in ("http", "https", "all", "no")}
    names |= {name.upper() for name in names}
    for name in names:
        monkeypatch.setenv(name, "proxy.example:3128")
    with made("node1").runner() as ssh:
        told = ssh.run(["printenv"]).stdout + ssh.script("printenv").stdout
        by_apt = ssh.run(["env", "X=1", "apt-get", "update"]).stdout

    assert "proxy.example" not in told
    assert "\nLC_ALL=C\n" in told
    assert names <= {line.partition("=")[0] for line in by_apt.splitlines()}


@pytest.mark.usefixtures("sudo")
def test_a_command_of_roots_is_ended_by_root(made: Made) -> None:
    """Who logs in may not signal it."""
    machine = made("node1")
    with machine.runner(sudo=True) as ssh:

        def begun(_: str) -> None:
            threading.Thread(target=ssh.end).start()

        with pytest.raises(MachineUnreachable):
            ssh.run(["sh", "-c", "echo begun; sleep 30"], on_line=begun)
        wait.until(
            lambda: any(c.startswith("sudo -n -- kill") for c in machine.commands),
            what="its end",
            want="by sudo",
            timeout=5,
        )
    assert "exec sudo -n -- env -uhttp_proxy " in machine.commands[0]
    assert " LC_ALL=C timeout -k" in machine.commands[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_the_readers_key_is_of_any_kind(made: Made, tmp_path: Path, kind: str) -> None:
    """The lab's own key is of one kind."""
    machine = made("node1")
    machine.authorized = keygen(tmp_path / "mine", kind)
    with machine.runner(key=tmp_path / "mine", foreign=True) as ssh:
        assert ssh.run(["true"]).ok


def test_a_key_with_a_passphrase_belongs_to_an_agent(
    made: Made, tmp_path: Path
) -> None:
    """It says so, and shows nothing of the key."""
    machine = made("node1")
    machine.authorized = keygen(tmp_path / "mine", "ed25519", "secret")
    with (
        machine.runner(key=tmp_path / "mine", foreign=True) as ssh,
        pytest.raises(LabError, match="cannot be read") as caught,
    ):
        ssh.run(["true"])

    assert f"ssh-add {tmp_path}/mine; " in caught.value.next


def security_key() -> bytes:
    """Return the file of a key whose private half is in a security key."""

    def text(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + data

    public = text(b"sk-ssh-ed25519@openssh.com") + text(b"p" * 32) + text(b"ssh:")
    private = b"same" * 2 + public + b"\1" + text(b"handle") + text(b"") + text(b"")
    private += bytes(range(1, 1 + -len(private) % 8))
    kind = b"openssh-key-v1\0" + text(b"none") * 2 + text(b"") + struct.pack(">I", 1)
    name = b"OPENSSH PRIVATE KEY-----\n"
    body = base64.encodebytes(kind + text(public) + text(private))
    return b"-----BEGIN " + name + body + b"-----END " + name


@pytest.mark.parametrize(
    ("name", "content", "seen", "step"),
    [
        ("sk", security_key(), "a security key", "ssh-add FILE; "),
        ("id.pub", b"ssh-ed25519 AAAA ada", "a public key", "private one: FOLDER/id"),
        ("id.ppk", b"PuTTY-User-Key-File-3: ssh-ed25519", "PuTTY", "puttygen FILE -O"),
        ("id", b"", "an empty file", "name the file of a private key"),
        ("id", b"words", "something else", "ssh-keygen -t ed25519"),
        ("id", None, "No such file", "put it back"),
    ],
    ids=["security key", "public", "PuTTY", "empty", "else", "gone"],
)
def test_a_file_that_is_no_private_key_says_what_it_is(
    tmp_path: Path, name: str, content: bytes | None, seen: str, step: str
) -> None:
    """None of them has a passphrase that an agent could be told."""
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read") as caught:
        read_key(file)

    assert seen in caught.value.seen
    step = step.replace("FILE", str(file)).replace("FOLDER", str(tmp_path))
    assert step in caught.value.next


def test_an_agents_key_logs_in(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no key is named; without an agent the machine refuses."""
    machine = made("node1")
    machine.authorized = keygen(tmp_path / "mine", "ed25519")
    socket = tmp_path / "agent"
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with (
        machine.runner(key=None, foreign=True) as ssh,
        pytest.raises(MachineUnreachable, match="refuses the keys") as caught,
    ):
        ssh.run(["true"])
    assert "ssh-add FILE" in caught.value.next
    with (
        machine.runner(key=None, foreign=True) as ssh,
        pytest.raises(MachineUnreachable),
    ):
        ssh.is_up()  # or its power would be switched
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=-3)
    try:
        wait.until(socket.exists, what="the agent", want="its socket", timeout=5)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        add = ["ssh-add", "-q", str(tmp_path / "mine")]
        subprocess.run(add, check=True)
        with machine.runner(key=None, foreign=True) as ssh:
            assert ssh.run(["true"]).ok
    finally:
        agent.terminate()
        agent.wait()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run an agent that has no key yet."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=-3)
    wait.until(socket.exists, what="the agent", want="its socket", timeout=5)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    yield
    process.terminate()
    process.wait()


@pytest.mark.usefixtures("agent")
def test_an_agent_with_too_many_keys_is_refused(made: Made, tmp_path: Path) -> None:
    """The machine closes the connection; it runs, and its power is left alone."""
    machine = made("node1")
    for number in range(12):  # the server of this test hears ten
        keygen(tmp_path / f"key{number}", "ed25519")
        subprocess.run(["ssh-add", "-q", tmp_path / f"key{number}"], check=True)
    with (
        machine.runner(key=None, foreign=True) as ssh,
        pytest.raises(MachineUnreachable, match="refuses the keys") as caught,
    ):
        ssh.is_up()

    # The last key meets a connection that is closed, or one that is being closed.
    assert re.search("No existing session|saw EOF", caught.value.seen)
    assert "ssh-add -d FILE" in caught.value.next
    assert "key: FILE" in caught.value.next


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("key cannot be used for signing", True),
        ("Authentication failed", True),
        ("Too many authentication failures", True),
        ("Error reading SSH protocol banner", False),
        ("Timeout opening channel.", False),
    ],
)
def test_a_refusal_is_told_from_silence(said: str, refused: bool) -> None:
    """A key in a security key that is not plugged in is refused by the agent."""
    assert is_refusal(paramiko.SSHException(said)) is refused


def test_a_host_key_is_seen_without_a_login(made: Made) -> None:
    """Nobody shows a key of ours to a host that nobody knows."""
    machine = made("node1")
    machine.authorized = "nobody"
    key = login(machine).shown_key(5)

    assert (
        f"{key.get_name()} {key.get_base64()}"
        == machine.host_public.rpartition(" ")[0].strip()
    )


def test_a_jump_host_is_gone_through(made: Made) -> None:
    """Its own key is pinned, and closing the machine's connection closes its, too."""
    jump, machine = made("jump"), made("node1")
    with machine.runner(foreign=True, jump=login(jump)) as ssh:
        assert ssh.run(["echo", "there"]).stdout == "there\n"
        assert login(machine, jump=login(jump)).shown_key(5)

    assert set(jump.passed_on) == {("127.0.0.1", machine.port)}
    assert jump.commands == []


def test_the_way_by_hand_goes_through_the_jump_host(made: Made) -> None:
    """As printed, it asks the same machine."""
    jump, machine = made("jump"), made("node1")
    way = login(machine, jump=login(jump))
    plain = replace(way, jump=replace(login(jump), key=None))

    where = f"-p {machine.port} {way.user}@{way.address}"
    host = f"{login(jump).user}@127.0.0.1"
    through = f"ssh -i {jump.key} -p {jump.port} -W '[%h]:%p' {host}"
    assert plain.unreachable(OSError()).next.endswith(
        f"ssh -i {machine.key} -J {host}:{jump.port} {where}"
    )
    words = shlex.split(way.unreachable(OSError()).next.partition(": ")[2])
    assert words[:5] == [
        *("ssh", "-i", str(machine.key), "-o", f"ProxyCommand={through}"),
    ]


def test_an_unknown_jump_host_is_refused(made: Made) -> None:
    """Nothing goes through it."""
    jump, machine = made("jump"), made("node1")
    jump.known_hosts.write_text("")
    with (
        machine.runner(foreign=True, jump=login(jump)) as ssh,
        pytest.raises(HostKeyMismatch, match="never pinned"),
    ):
        ssh.run(["true"])

    assert machine.logins == 0
