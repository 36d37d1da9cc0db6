"""The SSH runner, against a server that really runs what it is told to."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from fakes.ssh_server import FakeMachine

from k8slab import wait
from k8slab.core.hints import command
from k8slab.errors import (
    CommandFailed,
    CommandTimeout,
    HostKeyMismatch,
    LabError,
    MachineUnreachable,
)
from k8slab.ssh import files
from k8slab.ssh.client import SSHShell
from k8slab.ssh.keys import generate_key, known_hosts_line


def _is_alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except (FileNotFoundError, ProcessLookupError):
        return False


def _gone(pid: int) -> bool:
    return wait.until(
        lambda: not _is_alive(pid), what=f"process {pid}", want="gone", timeout=3
    )


def _text_of_error(ssh: SSHShell) -> str:
    """Return all that a log could show of a failing login, local variables too."""
    with pytest.raises(LabError) as caught:
        ssh.run(["true"])
    error = caught.value
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join([str(error), repr(error), repr(vars(error)), *trace.format()])


def test_a_command_ends_with_its_output(machine: FakeMachine) -> None:
    """Arguments arrive as given: no shell reads them."""
    with machine.runner() as ssh:
        done = ssh.run(["printf", "%s|", "a b", "$HOME", "it's", "*"])

    assert (done.returncode, done.stdout) == (0, "a b|$HOME|it's|*|")
    assert (done.where, done.stderr) == ("node1", "")


def test_an_exit_code_raises(machine: FakeMachine) -> None:
    """A failing command raises with its code, machine and complaint."""
    with machine.runner() as ssh, pytest.raises(CommandFailed) as caught:
        ssh.run(["sh", "-c", "echo broken >&2; exit 3"])

    assert (caught.value.returncode, caught.value.seen) == (3, "broken")
    assert caught.value.where.startswith("node1: sh -c")


def test_an_exit_code_is_an_answer_without_check(machine: FakeMachine) -> None:
    """With check=False a failing command returns."""
    with machine.runner() as ssh:
        done = ssh.run(["sh", "-c", "echo broken >&2; exit 3"], check=False)

    assert (done.ok, done.returncode, done.stderr) == (False, 3, "broken\n")


def test_a_command_that_is_missing_fails_with_127(machine: FakeMachine) -> None:
    """A command that the machine lacks fails as in a shell."""
    with machine.runner() as ssh:
        done = ssh.run(["no-such-command"], check=False)

    assert done.returncode == 127


def test_two_megabytes_of_errors_do_not_block(machine: FakeMachine) -> None:
    """Both streams are drained together, whichever fills first."""
    flood = "head -c 2000000 /dev/zero | tr '\\0' e >&2; echo out"
    with machine.runner() as ssh:
        done = ssh.run(["sh", "-c", flood], timeout=20)

    assert (len(done.stderr), done.stdout) == (2_000_000, "out\n")


def test_a_large_input_does_not_block(machine: FakeMachine) -> None:
    """Input is fed while output is read."""
    text = "0123456789" * 300_000
    with machine.runner() as ssh:
        done = ssh.run(["cat"], input=text, timeout=20)

    assert done.stdout == text


def test_input_that_nobody_reads_is_dropped(machine: FakeMachine) -> None:
    """A command may end before it has read its input."""
    with machine.runner() as ssh:
        done = ssh.run(["echo", "done"], input="x" * 5_000_000, timeout=10)

    assert done.stdout == "done\n"


def test_a_command_without_input_reads_its_end(machine: FakeMachine) -> None:
    """Nothing hangs on a standard input that nobody feeds."""
    with machine.runner() as ssh:
        done = ssh.run(["cat"], timeout=5)

    assert done.stdout == ""


def test_characters_cut_by_a_packet_are_whole(machine: FakeMachine) -> None:
    """A character of several bytes survives wherever the stream is cut."""
    text = "é€𝄞" * 20_000
    with machine.runner() as ssh:
        done = ssh.run(["cat"], input=text, timeout=10)

    assert done.stdout == text


def test_lines_come_while_the_command_runs(machine: FakeMachine) -> None:
    """Lines of both streams arrive as printed, in the caller's thread."""
    seen: list[tuple[str, float]] = []
    threads = set()

    def note(line: str) -> None:
        seen.append((line, time.monotonic()))
        threads.add(threading.current_thread())

    words = "echo one; sleep 0.3; echo two >&2; sleep 0.1; printf three"
    with machine.runner() as ssh:
        ssh.run(["sh", "-c", words], on_line=note)

    assert [line for line, _ in seen] == ["one", "two", "three"]
    assert seen[1][1] - seen[0][1] > 0.2
    assert threads == {threading.current_thread()}


def test_the_deadline_ends_the_remote_command(machine: FakeMachine) -> None:
    """A command that prints all the time ends at its deadline, its children too."""
    words = "sleep 60 & echo $! $$; while sleep 0.05; do echo tick; done"
    started = time.monotonic()
    with machine.runner() as ssh, pytest.raises(CommandTimeout) as caught:
        ssh.run(["sh", "-c", words], timeout=0.5)
    took = time.monotonic() - started
    pids = [int(word) for word in caught.value.stdout.splitlines()[0].split()]

    assert [_gone(pid) for pid in pids] == [True, True]
    assert (caught.value.timeout, 0.5 <= took < 10) == (0.5, True)
    assert "tick" in caught.value.stdout


@pytest.mark.slow
def test_a_stubborn_command_is_killed(machine: FakeMachine) -> None:
    """A command that ignores the polite end is ended a second later."""
    words = "trap '' TERM; echo $$; while :; do sleep 0.1; done"
    with machine.runner() as ssh, pytest.raises(CommandTimeout) as caught:
        ssh.run(["sh", "-c", words], timeout=0.2)

    assert _gone(int(caught.value.stdout))


@pytest.mark.slow
def test_a_machine_that_answers_nothing_keeps_the_deadline(
    machine: FakeMachine,
) -> None:
    """This side has the same deadline, for a machine that hangs."""
    started = time.monotonic()
    with machine.runner() as ssh, pytest.raises(CommandTimeout):
        ssh.run(["sh", "-c", "kill -STOP $PPID; sleep 30"], timeout=0.2)

    assert time.monotonic() - started < 5


def test_an_interrupt_ends_the_command_and_keeps_the_connection(
    machine: FakeMachine,
) -> None:
    """Ctrl-C leaves no process on the machine and a connection that works."""
    pids: list[int] = []

    def interrupt(line: str) -> None:
        pids.append(int(line))
        caller = threading.main_thread().ident or 0
        signals = (caller, signal.SIGINT)
        threading.Timer(0.05, signal.pthread_kill, signals).start()

    started = time.monotonic()
    with machine.runner() as ssh:
        with pytest.raises(KeyboardInterrupt):
            ssh.run(["sh", "-c", "echo $$; sleep 60"], on_line=interrupt)
        again = ssh.run(["echo", "again"])

    assert _gone(pids[0])
    assert (again.stdout, machine.logins) == ("again\n", 1)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("limit", [10, 1], ids=["usual", "one session"])
def test_commands_can_be_ended_from_another_thread(
    machine: FakeMachine, limit: int
) -> None:
    """Their processes are gone from the machine, and the connection still works.

    Where it has no room for another session, a connection of its own ends them.
    """
    machine.session_limit = limit
    pids: list[int] = []
    with machine.runner() as ssh:

        def end(line: str) -> None:
            pids.append(int(line))
            threading.Thread(target=ssh.end).start()

        started = time.monotonic()
        with pytest.raises(MachineUnreachable):
            ssh.run(["sh", "-c", "echo $$; sleep 60"], on_line=end)
        machine.session_limit = 10
        again = ssh.run(["echo", "again"])

    assert _gone(pids[0])
    assert (again.stdout, machine.logins) == ("again\n", 1 if limit > 1 else 2)
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_background_process_is_not_awaited(machine: FakeMachine) -> None:
    """A process left behind with its streams open does not hold the command."""
    with machine.runner() as ssh:
        done = ssh.run(["sh", "-c", "setsid sleep 8 & echo $!"], timeout=20)
        ssh.run(["kill", done.stdout.strip()])

    assert done.seconds < 4


@pytest.mark.slow
def test_commands_run_side_by_side(machine: FakeMachine) -> None:
    """Threads share one connection, and nobody gets another's output."""
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = ssh.run(["sh", "-c", f"sleep 0.2; echo {number}"]).stdout

    with machine.runner() as ssh:
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert answers == {n: f"{n}\n" for n in range(20)}
    assert machine.logins == 1


def test_a_script_stops_at_its_first_failure(machine: FakeMachine) -> None:
    """A script runs by bash with -euo pipefail, and its commands read nothing."""
    with machine.runner() as ssh:
        done = ssh.script(
            "cat\necho one\nfalse | true\necho two\n", check=False, timeout=5
        )

    assert (done.returncode, done.stdout) == (1, "one\n")


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("true\n# a comment\ngrep nothing /dev/null\ntrue\n", 3),
        ("f() {\n  false\n}\nf\n", 2),
        ("cat <<X\nhi\nX\nfalse | true\n", 4),
        ("printf 'no line end' >&2\nfalse\n", 2),
        ("true\necho $nobody\n", 2),
        ("true\nif then\n", 2),
        ("true\nexit 3\n", 0),
        ("nosuch || true\ntrue\nexit 3\n", 0),
        ('echo "have: $(false)"\ntrue\nexit 3\n', 0),
        ('echo "have: $(set -e; false)"\ntrue\nexit 3\n', 0),
        ("true\ntrue\n[ 1 = 2 ] && echo x\n", 0),
        ("set +e\nfalse\nexit 2\n", 0),
        ("x=1\nx=$(false)\n", 2),
        ("echo 'a\x0cb'\nfalse\n", 2),
        ("true\nexec nosuch\n", 2),
        ("readonly x=1\ntrue\nx=2\n", 3),
        ("true\n: ${NODE:?missing}\n", 2),
        ("true\nsource /nosuch\n", 2),
        ("true\nx[-9]=1\n", 2),
        ("f() {\n  readonly y=1\n  y=2\n}\nf\n", 3),
        ("true\ncd /nosuch || exit 1\n", 2),
        ("nosuch || true\ntrue\nexit 1\n", 0),
        ("cd /nosuch || true\necho other >&2\nexit 1\n", 0),
        ("true\neval 'true\nfalse'\ntrue\n", 0),
        ("true\neval ': ;\n${NODE:?missing}'\ntrue\ntrue\n", 0),
        ("true\neval true\nfalse\n", 3),
        ("true\neval false\ntrue\n", 2),
        (". <(printf 'true\\ntrue\\nfalse')\ntrue\ntrue\n", 0),
    ],
)
def test_a_failing_line_of_a_script_is_named(
    machine: FakeMachine, script: str, line: int
) -> None:
    """By its number, where the shell knows it; nothing of that shows in the output."""
    heard: list[str] = []
    with machine.runner() as ssh, pytest.raises(CommandFailed) as caught:
        ssh.script(script, on_line=heard.append)

    assert caught.value.line == line
    assert ("line" in caught.value.what) is bool(line)
    assert "k8slab" not in "".join(heard) + str(caught.value) + caught.value.stderr
    assert "" not in heard


def test_a_pipe_that_was_closed_says_what_to_write(machine: FakeMachine) -> None:
    """``head`` ends before what writes into it, which is a failure of the line."""
    with machine.runner() as ssh, pytest.raises(CommandFailed) as caught:
        ssh.script("true\nwhile echo y; do :; done | head -n 1\n")
    with machine.runner() as ssh, pytest.raises(CommandFailed) as other:
        ssh.script("exit 3\n")

    assert caught.value.returncode == 141
    assert "|| true" in caught.value.next
    assert "sed -n 1,5p" in caught.value.next
    assert not other.value.next


def test_a_script_stays_out_of_errors_and_command_lines(machine: FakeMachine) -> None:
    """What a script holds shows neither in an error nor in the process list."""
    canary = "canary-7f3a"
    with machine.runner() as ssh, pytest.raises(CommandFailed) as caught:
        ssh.script(f"PASSWORD={canary}\nfalse\n")

    error = caught.value
    assert canary not in "".join([str(vars(error)), *traceback.format_exception(error)])
    assert canary not in "".join(machine.commands)


def test_a_wrong_host_key_is_refused(machine: FakeMachine) -> None:
    """Another host key than the pinned one ends the connection with both prints."""
    _, other = generate_key()
    machine.pin(other)
    with pytest.raises(HostKeyMismatch) as caught:
        machine.runner().run(["true"])

    assert caught.value.wanted.startswith("ssh-ed25519 SHA256:")
    assert caught.value.seen.startswith("ssh-ed25519 SHA256:")
    assert caught.value.seen != caught.value.wanted
    assert machine.commands == []


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("line", [b"node1 ssh-ed25519 AAAA!x\n", b"\xff\xfe\n"])
def test_pinned_keys_that_cannot_be_read_are_named(
    machine: FakeMachine, line: bytes, foreign: bool
) -> None:
    """The file and the next step are told; nobody is talked to meanwhile."""
    machine.known_hosts.write_bytes(line)
    with machine.runner(foreign=foreign) as ssh:
        for ask in (ssh.is_up, lambda: ssh.run(["true"])):
            with pytest.raises(HostKeyMismatch, match="cannot be read") as caught:
                ask()

    assert caught.value.where == str(machine.known_hosts)
    step = "--forget" if foreign else "k8slab reset"
    assert step in caught.value.next
    assert machine.logins == 0


@pytest.mark.parametrize("content", ["", None])
def test_an_unknown_host_is_refused(machine: FakeMachine, content: str | None) -> None:
    """A machine that no line pins is not talked to."""
    machine.known_hosts.unlink()
    if content is not None:
        machine.known_hosts.write_text(content)
    with pytest.raises(HostKeyMismatch, match="never pinned") as caught:
        machine.runner().run(["true"])

    assert (machine.commands, "SHA256:" in caught.value.seen) == ([], True)


def test_a_lab_whose_keys_are_lost_is_made_anew_as_it_was(
    machine: FakeMachine, tmp_path: Path
) -> None:
    """Of the same size: its record tells it, and no machine has to answer for that."""
    machine.pin(generate_key()[1])
    broken = tmp_path / "broken"
    broken.write_text("x")
    with pytest.raises(HostKeyMismatch) as replaced:
        machine.runner().run(["true"])
    with pytest.raises(LabError, match="private key") as unread:
        machine.runner(key=broken).run(["true"])

    anew = f"make the lab anew: {command('reset', machine.runner().lab)}"
    assert replaced.value.next == f"if the machine was replaced, {anew}"
    assert unread.value.next == anew


def test_a_foreign_key_is_refused(machine: FakeMachine, tmp_path: Path) -> None:
    """A key that the machine does not know gets a plain answer."""
    other = tmp_path / "other"
    other.write_text(generate_key()[0])
    with pytest.raises(MachineUnreachable, match="refuses the lab's key"):
        machine.runner(key=other).run(["true"])

    assert machine.commands == []


def test_a_machine_that_is_not_there_is_unreachable(machine: FakeMachine) -> None:
    """A refused connection says where and what to do."""
    ssh = machine.runner()
    machine.close()
    with pytest.raises(MachineUnreachable, match="does not answer") as caught:
        ssh.run(["true"])

    assert f"port {machine.port}" in caught.value.where
    assert "k8slab s" in caught.value.next


def test_a_dropped_connection_is_opened_again(machine: FakeMachine) -> None:
    """The command after a restart of the machine finds it again, by itself."""
    with machine.runner() as ssh:
        ssh.run(["true"])
        machine.drop()
        done = ssh.run(["echo", "back"])
        machine.drop()
        changes = [ssh.put("/f", "1")]
        machine.drop()
        changes.append(ssh.put("/f", "2"))

    assert (done.stdout, changes, machine.logins) == ("back\n", [True, True], 4)


def test_a_connection_lost_under_a_command_is_told(machine: FakeMachine) -> None:
    """A command whose connection breaks neither hangs nor runs twice."""
    with machine.runner() as ssh, pytest.raises(MachineUnreachable, match="broke"):
        ssh.run(["sh", "-c", "echo now; sleep 5"], on_line=lambda _: machine.drop())

    assert len(machine.commands) == 1


def test_is_up_tells_at_once(machine: FakeMachine) -> None:
    """An answering machine is up, a closed port is not, a wrong key is an error."""
    assert machine.runner().is_up() is True
    _, other = generate_key()
    machine.pin(other)
    with pytest.raises(HostKeyMismatch):
        machine.runner().is_up()
    machine.close()
    started = time.monotonic()

    assert machine.runner().is_up() is False
    assert time.monotonic() - started < 5


def test_a_file_is_written_once(machine: FakeMachine) -> None:
    """Writing reports a change; writing the same again reports none."""
    with machine.runner() as ssh:
        changes = [
            ssh.put("/etc/deep/file", "one\n", mode=0o640),
            ssh.put("/etc/deep/file", "one\n", mode=0o640),
            ssh.put("/etc/deep/file", "two\n", mode=0o640),
            ssh.put("/etc/deep/file", b"two\n", mode=0o600),
        ]
        text = ssh.read("/etc/deep/file")

    file = machine.root / "etc/deep/file"
    assert (changes, text) == ([True, False, True, True], "two\n")
    assert file.stat().st_mode & 0o7777 == 0o600


def test_everybody_may_enter_a_folder_that_is_made(machine: FakeMachine) -> None:
    """As apt's own user must, whatever umask a login gives; others stay as they are."""
    (machine.root / "etc").mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        with machine.runner() as ssh:
            ssh.put("/etc/apt/keys/lab.gpg", "a key")
    finally:
        os.umask(before)
    made = ("etc/apt", "etc/apt/keys", "etc")
    modes = [(machine.root / name).stat().st_mode & 0o777 for name in made]

    assert modes == [0o755, 0o755, 0o700]


def test_a_file_is_replaced_in_one_step(machine: FakeMachine) -> None:
    """The old file stays whole until the new one is; nothing is left beside it."""
    with machine.runner() as ssh:
        ssh.put("/file", "old")
        held = (machine.root / "file").open()
        ssh.put("/file", "x" * 200_000)

    assert held.read() == "old"
    assert "write /file" not in machine.log
    assert os.listdir(machine.root) == ["file"]
    assert (machine.root / "file").stat().st_size == 200_000
    held.close()


def test_a_mount_point_is_written_in_place(machine: FakeMachine) -> None:
    """A file that cannot be replaced keeps its identity and gets the content."""
    file = machine.root / "mountpoint"
    file.write_text("a longer old content")
    number = file.stat().st_ino
    with machine.runner() as ssh:
        changed = ssh.put("/mountpoint", "new")

    assert (changed, file.read_text(), file.stat().st_ino) == (True, "new", number)
    assert os.listdir(machine.root) == ["mountpoint"]


def test_a_file_is_read_without_helpers(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that reads ahead prints a traceback when the connection is closed."""
    content = "".join(f"{n}\n" for n in range(20_000))
    started: list[threading.Thread] = []
    with machine.runner() as ssh:
        ssh.put("/file", content)
        monkeypatch.setattr(threading.Thread, "start", started.append)
        text = ssh.read("/file")

    assert text == content
    assert started == []


def test_a_file_that_is_missing_is_named(machine: FakeMachine) -> None:
    """Reading what is not there names the machine and the path."""
    with machine.runner() as ssh, pytest.raises(LabError) as caught:
        ssh.read("/no/such")

    assert caught.value.where == "node1: /no/such"


def test_no_error_shows_the_private_key(machine: FakeMachine, tmp_path: Path) -> None:
    """No text of any error, with all its local variables, holds the key."""
    secret = machine.private.splitlines()[2]
    broken = tmp_path / "broken"
    broken.write_text(machine.private.replace("OPENSSH PRIVATE KEY", "RSA KEY"))
    cut = tmp_path / "cut"
    cut.write_text("\n".join(machine.private.splitlines()[:3]) + "\n")
    foreign = tmp_path / "foreign"
    foreign.write_text(generate_key()[0])
    runners = [machine.runner(key=key) for key in (broken, cut, foreign)]
    runners.append(machine.runner(known_hosts=tmp_path / "none"))
    texts = [_text_of_error(ssh) for ssh in runners]
    machine.close()
    texts.append(_text_of_error(machine.runner()))

    assert len(secret) > 30
    assert [secret in text for text in texts] == [False] * 5


@pytest.mark.parametrize("greeting", ["Welcome to node1\n", "rm /x\n\n", "> "])
def test_what_login_files_print_is_no_commands_output(
    machine: FakeMachine, greeting: str
) -> None:
    """Bash reads root's .bashrc for the commands of SSH, too."""
    machine.greeting = greeting
    heard: list[str] = []
    with machine.runner() as ssh:
        said = ssh.run(["echo", "hi"], on_line=heard.append).stdout
        cat = ssh.run(["cat"], input=f"{greeting}x").stdout
        script = ssh.script("echo one; echo two").stdout

    assert (said, heard) == ("hi\n", ["hi"])
    assert (cat, script) == (f"{greeting}x", "one\ntwo\n")


def test_what_refuses_a_login_is_told(machine: FakeMachine) -> None:
    """A forced command or a shell such as nologin never comes to the command."""
    machine.refusal = "This account is currently not available."
    with machine.runner() as ssh, pytest.raises(CommandFailed) as caught:
        ssh.run(["true"])

    assert "not available" in caught.value.seen


def test_a_login_shell_of_any_kind_does(machine: FakeMachine) -> None:
    """What it reads itself is no more than 'exec', words and single quotes."""
    with machine.runner() as ssh:
        ssh.run(["true"])

    assert machine.commands[0].startswith("exec sh -c 'echo k8slab-pid $$; ")


@pytest.mark.parametrize(
    ("greeting", "subsystem"), [("Welcome\n", True), ("", False), ("Welcome\n", False)]
)
def test_files_need_neither_the_subsystem_nor_silence(
    machine: FakeMachine, greeting: str, subsystem: bool
) -> None:
    """The server is begun as a command where the subsystem does not answer."""
    machine.greeting, machine.has_subsystem = greeting, subsystem
    with machine.runner() as ssh:
        assert ssh.put("/file", "one\n")
        assert ssh.read("/file") == "one\n"

    assert len(machine.commands) == 1


@pytest.mark.parametrize("greeting", ["Welcome\n", ""])
def test_a_machine_without_a_server_for_files_is_told(
    machine: FakeMachine, greeting: str
) -> None:
    """It is there, and its connection stays."""
    machine.greeting = greeting
    machine.has_subsystem = machine.has_server = False
    with machine.runner() as ssh:
        with pytest.raises(LabError, match="does not take files") as caught:
            ssh.read("/file")
        assert ssh.run(["true"]).ok

    assert not isinstance(caught.value, MachineUnreachable)
    assert "openssh-sftp-server" in caught.value.next
    assert machine.logins == 1


@pytest.mark.slow
def test_a_server_for_files_that_ended_is_begun_again(machine: FakeMachine) -> None:
    """On the same connection, whose commands go on."""
    with machine.runner() as ssh, ThreadPoolExecutor() as pool:
        ssh.put("/file", "one\n")
        running = pool.submit(ssh.run, ["sh", "-c", "sleep 1; echo done"])
        assert machine.file_channel is not None
        machine.file_channel.close()
        ssh.run(["true"])  # by its answer the end is known here, too
        ssh.put("/file", "two\n")
        assert (ssh.read("/file"), running.result().stdout) == ("two\n", "done\n")

    assert machine.logins == 1


def test_files_go_on_where_another_thread_closed_the_connection(
    machine: FakeMachine,
) -> None:
    """As one does whose command found it dead; no file was refused to anybody."""
    tries: list[int] = []

    def read(sftp: paramiko.SFTPClient) -> bytes:
        tries.append(1)
        if len(tries) == 1:
            other = threading.Thread(target=ssh.close)
            other.start()
            other.join()
        return files.read(sftp, "/file")

    with machine.runner() as ssh:
        ssh.put("/file", "text")
        assert ssh._on_files("/file", read) == b"text"

    assert (len(tries), machine.logins) == (2, 2)


@pytest.mark.parametrize("name", ["full", "nearly-full"])
def test_a_file_that_cannot_be_written_is_not_written_in_place(
    machine: FakeMachine, name: str
) -> None:
    """Only one that cannot be replaced is; a full disk would leave a part of it.

    A disk may have room for a new file, and none for what is written into it.
    """
    (machine.root / name).write_text("old")
    with machine.runner() as ssh, pytest.raises(LabError, match="refuses access"):
        ssh.put(f"/{name}", "new\n")

    assert (machine.root / name).read_text() == "old"
    assert [path.name for path in machine.root.iterdir()] == [name]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [1, 3])
def test_commands_wait_where_a_machine_opens_few_sessions(
    machine: FakeMachine, limit: int
) -> None:
    """None ends another; and files give their session back."""
    machine.session_limit = limit
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = ssh.run(["sh", "-c", f"sleep 0.2; echo {number}"]).stdout

    with machine.runner() as ssh:
        ssh.put("/file", "x")
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert answers == {n: f"{n}\n" for n in range(6)}
    assert machine.logins == 1


@pytest.mark.slow
def test_a_session_that_never_comes_is_told(machine: FakeMachine) -> None:
    """At the deadline of the command that waits; the one that runs goes on."""
    machine.session_limit = 1
    errors: list[LabError] = []

    def second(_: str) -> None:
        with pytest.raises(MachineUnreachable, match="no further session") as caught:
            ssh.run(["true"], timeout=0.3)
        errors.append(caught.value)

    with machine.runner() as ssh:
        done = ssh.run(["sh", "-c", "echo now; sleep 1"], on_line=second)
        machine.session_limit = 0
        with pytest.raises(MachineUnreachable, match="no further session"):
            ssh.run(["true"])

        machine.session_limit = 10  # as the error says; it holds for new connections
        assert ssh.run(["true"]).ok

    assert done.ok
    assert "MaxSessions" in errors[0].next
    assert machine.logins == 2


def test_a_new_connection_is_not_dropped_with_the_old_one(machine: FakeMachine) -> None:
    """Two threads see that the old one died; one of them made the new one already."""
    with machine.runner() as ssh:
        old = ssh._connection()
        machine.drop()
        assert ssh.run(["true"]).ok
        ssh._drop(old)
        assert ssh.run(["true"]).ok

    assert machine.logins == 2


class Ended:
    """A channel whose server said its mark and ended before it was asked anything."""

    def __init__(self) -> None:
        self.closed = False
        self._said = [bytes([each]) for each in b"k8slab-files\n"]

    def settimeout(self, seconds: float) -> None:
        """Take a deadline."""

    def exec_command(self, command: str) -> None:
        """Begin the server."""

    def recv(self, count: int) -> bytes:
        """Say the mark."""
        return self._said.pop(0)

    def send(self, data: bytes) -> int:
        """Be closed."""
        raise OSError("Socket is closed")

    def get_transport(self) -> SimpleNamespace:
        """Return a connection that lives."""
        return SimpleNamespace(is_active=lambda: True)

    def close(self) -> None:
        """Give the session back."""
        self.closed = True


def test_a_server_for_files_that_ends_at_once_is_told() -> None:
    """Its session is given back: a machine may have few."""
    channel: Any = Ended()
    with pytest.raises(paramiko.SFTPError, match="ended before it answered"):
        files.connect(lambda: channel, ("sudo",))

    assert channel.closed


def test_a_key_pair_is_made_in_openssh_format() -> None:
    """The private key is OpenSSH text, the public one a line, and no two are alike."""
    private, public = generate_key()

    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert public.split()[0] == "ssh-ed25519"
    assert generate_key()[1] != public


def test_a_known_hosts_line_names_address_and_key() -> None:
    """The comment is dropped; a port that is not 22 is part of the name."""
    line = known_hosts_line("192.0.2.1", "ssh-ed25519 AAAA root@node1")

    assert line == "192.0.2.1 ssh-ed25519 AAAA\n"
    assert known_hosts_line("192.0.2.1", "a b", port=24) == "[192.0.2.1]:24 a b\n"
