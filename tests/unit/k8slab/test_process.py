"""Commands on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from k8slab import wait
from k8slab.core import process
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import CommandFailed, CommandTimeout, HostProblem
from labmaker.computer import ThisComputer


def _gone(pid: int) -> bool:
    def dead() -> bool:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] == "Z"

    return wait.until(dead, what=f"process {pid}", want="gone", timeout=3)


def test_a_command_returns_what_it_printed() -> None:
    """Arguments reach the command as given; both streams come back."""
    words = 'printf "%s" "$1"; echo oops >&2'
    done = LocalRunner().run(["sh", "-c", words, "sh", "a  $HOME 'b'"])

    assert (done.stdout, done.stderr) == ("a  $HOME 'b'", "oops\n")
    assert (done.ok, done.where) == (True, "this machine")


def test_an_exit_code_raises_unless_it_is_an_answer() -> None:
    """check=True raises with the facts, check=False returns them."""
    command = ["sh", "-c", "echo why >&2; exit 7"]
    with pytest.raises(CommandFailed) as caught:
        LocalRunner().run(command)
    done = LocalRunner().run(command, check=False)

    assert (caught.value.returncode, caught.value.stderr) == (7, "why\n")
    assert (done.returncode, done.ok) == (7, False)


@pytest.mark.parametrize(
    ("said", "where", "full"),
    [
        ("Error: writing blob: /var/tmp/1: no space left on device", "", True),
        ("cp: error writing 'a': Disk quota exceeded", "", True),
        ("mkdir /sys/fs/cgroup/cpuset/a: No space left on device", "", False),
        ("dd: writing 'a': No space left on device", "node1", False),
        ("permission denied", "", False),
    ],
)
def test_a_program_that_finds_the_disk_full_has_a_next_step(
    said: str, where: str, full: bool
) -> None:
    """Where it is this computer's disk; a machine's is another one."""
    done = Completed(("cp",), where or LocalRunner.where, 1, "", said, 0.0)
    with pytest.raises(CommandFailed) as caught:
        done.check()

    assert ("make room on the disk" in caught.value.next) == full


def test_a_command_that_is_missing_is_the_hosts_problem() -> None:
    """A command that this computer lacks is named."""
    with pytest.raises(HostProblem, match="no-such-command"):
        LocalRunner().run(["no-such-command"])


def test_roots_commands_are_found_without_their_folder_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a plain ``su``, ``sysctl`` and ``iptables`` run and are found."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = LocalRunner().run(["sysctl", "--version"])
    path = LocalRunner().run(["sh", "-c", 'echo "$PATH"']).stdout.strip()

    assert done.stdout.startswith("sysctl")
    assert path == "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    assert ThisComputer().has("sysctl")


def test_the_deadline_ends_the_command_and_its_children() -> None:
    """A timeout leaves no process, and keeps what was printed so far."""
    with pytest.raises(CommandTimeout) as caught:
        LocalRunner().run(["sh", "-c", "sleep 60 & echo $! $$; wait"], timeout=0.3)
    pids = [int(word) for word in caught.value.stdout.split()]

    assert [_gone(pid) for pid in pids] == [True, True]
    assert caught.value.timeout == 0.3


@pytest.mark.parametrize("after", ["Popen", "Thread"])
def test_an_interrupt_at_the_very_start_ends_the_command(
    after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come when the process is there and nobody was told of it yet."""
    made: list[subprocess.Popen[str]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)
            interrupt("Popen")

    class Thread(threading.Thread):
        def start(self) -> None:
            super().start()
            interrupt("Thread")

    def interrupt(here: str) -> None:
        if here == after:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    monkeypatch.setattr(threading, "Thread", Thread)
    with pytest.raises(KeyboardInterrupt):
        LocalRunner().run(["sleep", "60"])

    assert [each.poll() for each in made] == [-signal.SIGKILL]


def test_a_command_may_be_ended_from_two_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second of them finds it gone, and that is no error."""
    runner = LocalRunner()
    kill = os.killpg

    def late(group: int, number: int) -> None:
        while True:  # until the other thread has seen its end
            kill(group, number)

    monkeypatch.setattr(os, "killpg", late)
    started = threading.Event()
    thread = threading.Thread(
        target=lambda: runner.run(
            ["sh", "-c", "echo here; exec sleep 60"],
            check=False,
            on_line=lambda line: started.set(),
        )
    )
    thread.start()

    assert started.wait(5)
    runner.end()
    thread.join(5)
    assert not thread.is_alive()


# Ctrl-C is pressed again meanwhile.
CLEANS_UP = 'kill $!; kill -INT $PPID; sleep 0.3; echo cleaned > "$1"; exit 130'


@pytest.mark.parametrize(
    ("at_an_interrupt", "is_killed"),
    [(CLEANS_UP, False), (":", True)],
    ids=["cleans up", "goes on"],
)
def test_an_interrupt_leaves_a_command_time_to_clean_up(
    tmp_path: Path, at_an_interrupt: str, is_killed: bool
) -> None:
    """It gets a Ctrl-C of its own, and a second one does not end that time.

    What goes on after it is killed.
    """
    log, pids = tmp_path / "log", list[int]()
    until_it_ends = "while kill -0 $!; do wait; done"
    words = f"trap '{at_an_interrupt}' INT; sleep 60 & echo $$; {until_it_ends}"
    runner = LocalRunner(grace_s=0.3 if is_killed else 30)

    def interrupt(line: str) -> None:
        if line.isdigit():  # and not what the shell says of a job that was killed
            pids.append(int(line))
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        runner.run(["sh", "-c", words, "sh", str(log)], on_line=interrupt)

    assert log.exists() != is_killed
    assert [_gone(pid) for pid in pids] == [True]


def test_a_full_error_pipe_does_not_block() -> None:
    """Two megabytes on one stream do not hold up the other."""
    flood = "head -c 2000000 /dev/zero | tr '\\0' e >&2; echo out"
    done = LocalRunner().run(["sh", "-c", flood], timeout=20)

    assert (len(done.stderr), done.stdout) == (2_000_000, "out\n")


def test_a_large_input_arrives() -> None:
    """Input larger than a pipe arrives while output is read."""
    text = "0123456789" * 300_000
    done = LocalRunner().run(["cat"], input=text, timeout=20)

    assert done.stdout == text


def test_input_that_nobody_reads_keeps_the_deadline() -> None:
    """A command that never reads its input is ended at its deadline."""
    started = time.monotonic()
    with pytest.raises(CommandTimeout):
        LocalRunner().run(["sleep", "5"], input="x" * 1_000_000, timeout=0.3)

    assert time.monotonic() - started < 3


def test_a_command_may_leave_its_input_unread() -> None:
    """A command that ends early is not a failure."""
    done = LocalRunner().run(["echo", "done"], input="x" * 1_000_000)

    assert done.stdout == "done\n"


def test_a_command_without_input_reads_its_end() -> None:
    """Nothing hangs on a standard input that nobody feeds."""
    assert LocalRunner().run(["cat"], timeout=5).stdout == ""


def test_lines_come_while_the_command_runs() -> None:
    """Each line is handed on as it is printed, the last without its end too."""
    seen: list[tuple[str, float]] = []
    LocalRunner().run(
        ["sh", "-c", "echo one; sleep 0.3; printf two"],
        on_line=lambda line: seen.append((line, time.monotonic())),
    )

    assert [line for line, _ in seen] == ["one", "two"]
    assert seen[1][1] - seen[0][1] > 0.2


def test_a_carriage_return_belongs_to_what_was_printed() -> None:
    """It ends no line; one at the end of a line is not handed on."""
    seen: list[str] = []
    argv = ["printf", r"a\r\nb\rc\r\n\n"]
    done = LocalRunner().run(argv, on_line=seen.append)

    assert done.stdout == "a\r\nb\rc\r\n\n"
    assert seen == ["a", "b\rc", ""]


def test_what_is_left_in_the_background_is_not_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A daemon that a package starts may hold the streams for ever."""
    monkeypatch.setattr(process, "_LINGER_S", 0.2)
    started = time.monotonic()
    done = LocalRunner().run(["sh", "-c", "sleep 5 & echo begun"], timeout=86_400)

    assert done.stdout == "begun\n"
    assert time.monotonic() - started < 4


def test_the_environment_is_added_to(tmp_path: Path) -> None:
    """Given variables join this process's own; the folder is the given one."""
    runner = LocalRunner(env={"K8SLAB_TEST": "yes"}, cwd=tmp_path)
    done = runner.run(["sh", "-c", "echo $K8SLAB_TEST $PATH; pwd"])

    assert done.stdout == f"yes {os.environ['PATH']}\n{tmp_path}\n"


def test_a_command_speaks_english(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is read here; a runner's own variables win."""
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de:en")
    ask = ["sh", "-c", 'echo "$LC_ALL:$LANGUAGE"']
    own = LocalRunner(env={"LC_ALL": "fr_FR.UTF-8"})

    assert LocalRunner().run(ask).stdout == "C.UTF-8:\n"
    assert own.run(ask).stdout == "fr_FR.UTF-8:\n"


def test_a_temporary_folder_that_is_gone_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs fail there with words that name something else."""
    seen, file = [], tmp_path / "file"
    file.touch()
    for folder in (tmp_path, tmp_path / "gone", file, file / "below", "x" * 999):
        monkeypatch.setenv("TMPDIR", str(folder))
        seen.append(LocalRunner().run(["sh", "-c", 'echo "${TMPDIR-none}"']).stdout)

    assert seen == [f"{tmp_path}\n", *["none\n"] * 4]


def test_a_variable_with_options_of_a_program_is_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or an archive would lack what the reader's own ones lack."""
    (tmp_path / "kept").touch()
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=kept")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    packed = LocalRunner().run(["sh", "-c", f"tar -cC {tmp_path} . | tar -t"]).stdout
    time = LocalRunner().run(["sh", "-c", 'echo "${SOURCE_DATE_EPOCH-none}"']).stdout

    assert "./kept" in packed.splitlines()
    assert time == "none\n"


def test_check_returns_the_same_record() -> None:
    """A record of success passes its own check."""
    done = Completed(("true",), "here", 0, "", "", 0.0)

    assert done.check() is done


@pytest.mark.parametrize(
    ("code", "out", "complaint", "said"),
    [
        (1, "half\n", "why\n", "why"),
        (0, "all\n", "", "all"),
        (7, "", "", "exit code 7"),
    ],
)
def test_a_command_reads_as_what_it_said(
    code: int, out: str, complaint: str, said: str
) -> None:
    """Waits show the last one as it was seen, not as an object."""
    assert str(Completed(("x",), "here", code, out, complaint, 0.0)) == said
