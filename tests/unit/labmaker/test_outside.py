"""Whatever the world outside raises, the reader gets an error of ours and no trace."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fakes.host import FakeHost
from typer.testing import CliRunner

from k8slab import lab, magics
from k8slab.core import outside
from k8slab.core.process import LocalRunner
from k8slab.errors import HostProblem, LabError
from k8slab.folder import LabFolder, records
from labmaker import cli, computer

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from labmaker.cli import main; main()"]


def run(
    *words: str,
    env: Mapping[str, str] | None = None,
    line: str = "",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own, or in a line of shell."""
    argv = ["sh", "-c", line, "sh", *COMMAND, *words] if line else [*COMMAND, *words]
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("words", [["status"], ["up"], ["down"], ["ssh", "master"]])
def test_a_home_below_a_file_is_told(tmp_path: Path, words: list[str]) -> None:
    """The error names the folder and the variable, with an exit code of ours."""
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "labs"
    said = run(*words, env={"K8SLAB_HOME": str(home)})

    assert (said.returncode, said.stdout) == (HostProblem.exit_code, "")
    assert "Traceback" not in said.stderr
    assert str(home) in said.stderr
    assert "K8SLAB_HOME" in said.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:strict"])
def test_a_terminal_of_any_encoding_is_told_everything(
    tmp_path: Path, encoding: str
) -> None:
    """A check mark becomes a plus, and nothing is a trace."""
    env = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    env |= {"K8SLAB_HOME": str(tmp_path), "K8SLAB_CACHE": str(tmp_path)}
    said = run("doctor", env=env)

    assert "Traceback" not in said.stderr
    assert "+ user: " in said.stdout or "x user" in said.stdout


@pytest.mark.parametrize("name", ["ö", "\udcff", "\u2028"])
def test_an_odd_character_can_be_quoted(tmp_path: Path, name: str) -> None:
    """What cannot be written is still named, in any terminal."""
    env = {"K8SLAB_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    said = run("down", "--name", name, env=env)

    assert said.returncode == 2
    assert "that cannot be the name of a lab" in said.stderr


def test_a_reader_who_has_gone_is_no_error(tmp_path: Path) -> None:
    """As 'head -1' goes; the command ends without a word."""
    env = {"K8SLAB_HOME": str(tmp_path)}
    line = '{ sleep 1; "$@"; echo "rc $?" >&2; } | :'
    said = run("--version", env=env, line=line)

    assert said.stderr in ("rc 1\n", "rc 141\n")


@pytest.mark.parametrize("line", ['"$@" > /dev/full', '"$@" >&-', '"$@" >&- 2>&-'])
def test_an_output_that_takes_nothing_is_no_trace(tmp_path: Path, line: str) -> None:
    """A full disk is an error of ours; a closed output is none."""
    said = run("--version", env={"K8SLAB_HOME": str(tmp_path)}, line=line)

    assert "Traceback" not in said.stderr
    assert "Exception ignored" not in said.stderr
    assert said.returncode == (HostProblem.exit_code if "full" in line else 0)


def test_a_user_without_a_home_is_told() -> None:
    """With the variable that names a folder for them."""
    code = (
        "import pathlib; from labmaker.cli import main\n"
        "def home(*_): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.expanduser = home; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "status"],
        capture_output=True,
        text=True,
        env={**os.environ, "K8SLAB_HOME": "~/labs"},
        check=False,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "export K8SLAB_HOME=" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [("COLUMNS", "0"), ("TERMINAL_WIDTH", "0"), ("TERMINAL_WIDTH", "80 cols")],
)
def test_a_terminal_without_columns_shows_errors_of_usage(
    tmp_path: Path, name: str, value: str
) -> None:
    """As a serial console, or one of a container, says of itself."""
    said = run("up", "--bogus", env={name: value, "K8SLAB_HOME": str(tmp_path)})

    assert said.returncode == 2
    assert "--bogus" in said.stderr
    assert "Traceback" not in said.stderr


def test_packages_of_the_readers_pythonpath_are_not_the_commands(
    tmp_path: Path,
) -> None:
    """With another version of one of them it would not even begin."""
    (tmp_path / "typer.py").write_text("raise ImportError('another typer')\n")
    code = "from labmaker.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("k8slab ")


def test_ctrl_c_at_once_is_no_traceback(tmp_path: Path) -> None:
    """It comes while the command's own parts are read, which takes half a second."""
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    code += "from labmaker.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "status"],
        capture_output=True,
        text=True,
        env={name: it for name, it in os.environ.items() if name != "PYTHONPATH"},
        check=False,
    )

    assert (done.returncode, done.stderr) == (130, "k8slab: interrupted\n")


def test_a_command_in_a_folder_that_is_gone_works(tmp_path: Path) -> None:
    """Its working directory was removed under it."""
    line = 'mkdir gone; cd gone; rmdir ../gone; "$@"'
    said = run("status", env={"K8SLAB_HOME": str(tmp_path)}, line=line, cwd=tmp_path)

    assert (said.returncode, "Traceback" in said.stderr) == (0, False)


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EACCES, "root"),
        (errno.EROFS, "K8SLAB_HOME"),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "mend what the system says"),
    ],
)
def test_every_error_of_the_system_has_a_next_step(number: int, hint: str) -> None:
    """Also one that nobody thought of."""
    error = outside.ours(OSError(number, os.strerror(number), "/some/file"))

    assert (error.where, hint in error.next) == ("/some/file", True)
    assert os.strerror(number) in error.what


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_nobody_is_sent_to_become_what_they_are(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Root is refused by file systems, too, and may choose another folder."""
    error = OSError(number, os.strerror(number), "/some/file")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    root = outside.ours(error).next
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "sudo" not in root
    assert ("root_squash" in root, "K8SLAB_HOME" in root) == (True, True)
    assert outside.ours(error).next == outside.become_root()


BASH = 'env "PATH=$PATH:/usr/sbin:/sbin" bash'


@pytest.mark.parametrize(
    ("has_sudo", "variables", "shell"),
    [
        (True, {}, f"sudo {BASH}"),
        (True, {"K8SLAB_LAB": "blue"}, f"sudo --preserve-env=K8SLAB_LAB {BASH}"),
        (
            True,
            {"K8SLAB_LAB": "blue", "K8SLAB_HOME": "/srv/k8slab", "EDITOR": "vi"},
            f"sudo --preserve-env=K8SLAB_HOME,K8SLAB_LAB {BASH}",
        ),
        (False, {"K8SLAB_LAB": "blue"}, 'PATH="$PATH:/usr/sbin:/sbin" su'),
    ],
)
def test_a_command_that_is_repeated_as_root_means_the_same_lab(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    has_sudo: bool,
    variables: dict[str, str],
    shell: str,
) -> None:
    """'sudo -i' would drop the variables, so that 'down' removed another lab.

    It would also change the folder, to which paths in the command are relative.
    """
    for name in [each for each in os.environ if each.startswith("K8SLAB_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if has_sudo:
        (tmp_path / "sudo").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    host = FakeHost()
    host.uid = 1000
    with pytest.raises(HostProblem) as refused:
        computer.require_root("changing a lab", host=host)
    steps = {
        refused.value.next,
        outside.ours(PermissionError(errno.EACCES, "refused", "/some/file")).next,
        lab.make_it("blue").partition("; or ")[0].partition("root's: ")[2],
    }

    assert steps == {f"become root, then repeat the command: {shell}"}


SUDO = """\
#!/bin/sh
case $1 in --preserve-env=*) keeps=${1#*=}; shift ;; esac
case $1 in -s) shift; set -- sh "$@" ;; esac
exec env -i PATH=/usr/bin:/bin $(env | grep "^${keeps:-none}=") "$@"
"""
"""Debian's sudo: it keeps what it is told to, and sets a path of its own."""


def test_a_shell_of_root_finds_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was typed before, by its name; and it means the same lab."""
    for name in [each for each in os.environ if each.startswith("K8SLAB_")]:
        monkeypatch.delenv(name)
    for name, text in (("sudo", SUDO), ("k8slab", "#!/bin/sh\necho $K8SLAB_LAB\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("K8SLAB_LAB", "blue")
    done = subprocess.run(
        ["sh", "-c", outside.root_shell()],
        input="k8slab up\n",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("blue\n", "")


def test_a_full_disk_that_has_no_name_is_found_by_the_reader() -> None:
    """'That disk' is one only where it is named."""
    nameless = outside.ours(OSError(errno.ENOSPC, "No space left on device"))
    named = outside.ours(OSError(errno.ENOSPC, "No space left on device", "/a"))

    assert ("df -h" in nameless.next, "that disk" in nameless.next) == (True, False)
    assert "that disk" in named.next


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """By its name, for a command shows no trace; an error of ours stays as it is."""
    with pytest.raises(HostProblem, match="text"), outside.told():
        b"\xff".decode()
    (tmp_path / "notes").write_bytes(b"\xff")
    with pytest.raises(HostProblem) as named, outside.told():
        (tmp_path / "notes").read_text("utf-8")
    assert named.value.where == str(tmp_path / "notes")
    with pytest.raises(HostProblem, match="JSON"), outside.told():
        json.loads("ip: command not found")
    mine = LabError("mine")
    with pytest.raises(LabError) as caught, outside.told():
        raise mine
    assert caught.value is mine


@pytest.mark.parametrize(
    "use", [lab.connect, lab.find, lab.heal, lambda: magics.on("node1", "ls")]
)
def test_a_chapter_gets_our_errors_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, use: Callable[[], object]
) -> None:
    """The library that a notebook imports raises nothing else."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "file" / "labs"))
    with pytest.raises(LabError):
        use()


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    """It is there and no program; and a working directory that is gone is named."""
    program = tmp_path / "program"
    program.write_text("hello")
    with pytest.raises(HostProblem) as caught:
        LocalRunner().run([str(program)])
    with pytest.raises(HostProblem) as lost:
        LocalRunner(cwd=tmp_path / "gone").run(["true"])

    assert caught.value.where == str(program)
    assert lost.value.where == str(tmp_path / "gone")


def test_a_lab_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not called damaged, and other labs are read."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "lab.json").write_text("{}")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", "lab.json")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(HostProblem, match="Permission denied"):
        LabFolder(tmp_path, "other").record()

    assert records(tmp_path) == []


ROOTS = [
    ["setup"],
    ["bundle", "build"],
    ["bundle", "import", "file"],
    ["up"],
    ["down"],
    ["stop"],
]


@pytest.mark.parametrize("words", ROOTS, ids=" ".join)
def test_another_user_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Nothing is begun that only root can do, and the step is the doctor's."""
    host = FakeHost()
    host.uid = 1000
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(computer, "ThisComputer", lambda: host)
    monkeypatch.setattr(LocalRunner, "run", None)
    said = CliRunner().invoke(cli.app, words)

    assert isinstance(said.exception, HostProblem), said.output
    assert said.exception.what.endswith("needs root")
    assert (said.exception.seen, host.asked) == ("user id 1000", [])
    assert not (tmp_path / "home").exists()


def test_root_that_may_not_mount_builds_no_bundle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container without --privileged; 'unshare' is not tried."""
    host = FakeHost()
    host.capabilities &= ~(1 << computer.SYS_ADMIN)
    monkeypatch.setattr(computer, "ThisComputer", lambda: host)
    said = CliRunner().invoke(cli.app, ["bundle", "build"])

    assert isinstance(said.exception, HostProblem)
    assert "SYS_ADMIN" in said.exception.wanted


@pytest.mark.parametrize("columns", ["20", "80", "500"])
def test_no_output_is_cut(tmp_path: Path, columns: str) -> None:
    """A finding's every word is there, in a pipe and in a narrow terminal."""
    env = {"K8SLAB_HOME": str(tmp_path), "K8SLAB_CACHE": str(tmp_path)}
    env |= {"COLUMNS": columns, "PATH": f"{tmp_path}"}
    (tmp_path / "long-name").mkdir()
    (tmp_path / "long-name" / "lab.json").write_text("{")
    said = run("doctor", env=env)
    status = run("status", env=env)

    assert "…" not in said.stdout + status.stdout
    assert "'k8slab down --name long-name', then" in status.stdout


def test_a_terminal_of_80_columns_cuts_nothing(tmp_path: Path) -> None:
    """As in a pipe: a table is as wide as its words."""
    (tmp_path / "long-name").mkdir()
    (tmp_path / "long-name" / "lab.json").write_text("{")
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "status"],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "K8SLAB_HOME": str(tmp_path), "COLUMNS": "80"},
    ) as process:
        process.wait(30)
    os.close(slave)
    text = os.read(master, 100_000).decode()
    os.close(master)

    assert "'k8slab down --name long-name', then 'k8slab up --name long-name'" in text
