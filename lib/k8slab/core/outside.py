"""Turn what the world outside raises into an error of ours, in one place."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import walk_tb

from ..errors import HostProblem, LabError
from .files import FULL
from .hints import command

_FOLDERS = "K8SLAB_HOME and K8SLAB_CACHE name the folders that are used"
_REFUSED = (errno.EACCES, errno.EPERM)
_NOT_EVEN_ROOT = (
    "not even root may do that there (root_squash, noexec, an immutable file, or a "
    f"right that a container lacks): choose another folder; {_FOLDERS}"
)
_NEXT = {
    **dict.fromkeys(FULL, "make room on that disk, then repeat the command"),
    errno.EROFS: f"choose a folder that can be written; {_FOLDERS}",
    **dict.fromkeys(
        (errno.ENOLCK, errno.EOPNOTSUPP),
        f"choose a folder of this computer's own, for NFS may lack that; {_FOLDERS}",
    ),
    errno.EMFILE: "end other programs, or raise the limit: ulimit -n 8192",
    errno.ENFILE: "end other programs, which hold too many files",
    errno.ENOMEM: "end other programs, or give this computer more memory",
    errno.ENOTDIR: f"look at what lies in that folder's place; {_FOLDERS}",
    errno.EISDIR: f"look at what lies in that file's place; {_FOLDERS}",
    errno.EEXIST: f"look at what lies in that place already; {_FOLDERS}",
}
_ELSE = "mend what the system says, then repeat the command"
_WHICH_DISK = (
    "make room on the disk that is full, as 'df -h' shows, then repeat the command"
)


@contextmanager
def told() -> Iterator[None]:
    """Let a block raise errors of ours alone; also a decorator.

    Raises:
        HostProblem: The system refused something, or gave a text that is none.
        LabError: As the block raised it.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read the output has seen enough
        raise
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        raise ours(error) from error


def ours(error: OSError | UnicodeError | json.JSONDecodeError) -> LabError:
    """Return an error of the system, or of a text that it gave, in our words."""
    if isinstance(error, json.JSONDecodeError):
        return HostProblem(
            "a program of this computer answers what cannot be read",
            where="this computer",
            wanted="JSON",
            seen=f"{error.msg}: {error.doc[:200]!r}",
            next=f"see what this computer lacks: {command('doctor')}",
        )
    if isinstance(error, UnicodeDecodeError):
        file = _read(error)
        return HostProblem(
            "a file that should be text is none",
            where=file or "this computer",
            wanted=f"text in {error.encoding}",
            seen=f"{error.reason} at byte {error.start}",
            next="write it anew, or remove it"
            if file
            else "look at the files that the command reads, and write that one anew",
        )
    if isinstance(error, UnicodeError):
        return HostProblem(
            "a text has characters that cannot be written here",
            where="this computer",
            wanted="a terminal or file that takes UTF-8",
            seen=str(error),
            next="export PYTHONUTF8=1, then repeat the command",
        )
    names = [error.filename, error.filename2]
    # It may also be the number of an open file.
    paths = [os.fsdecode(name) for name in names if not isinstance(name, int | None)]
    reason = error.strerror or str(error) or type(error).__name__
    return HostProblem(
        f"this computer refuses: {reason}",
        where=" and ".join(paths) or "this computer",
        seen=f"{type(error).__name__}: {error}",
        next=_next(error.errno or 0, named=bool(paths)),
    )


def when_full(said: str) -> str:
    """Return the next step where a program here complains of a full disk, or nothing.

    The kernel says the same of a control group that takes no more.
    """
    full = any(os.strerror(number).lower() in said.lower() for number in FULL)
    return _WHICH_DISK if full and "/sys/fs/cgroup" not in said else ""


def _read(error: UnicodeDecodeError) -> str:
    """Return the file whose reading raised an error that does not name it, if any."""
    read = [frame.f_locals.get("self") for frame, _ in walk_tb(error.__traceback__)]
    return next((str(each) for each in reversed(read) if isinstance(each, Path)), "")


def become_root() -> str:
    """Return the step of whoever is not root, for a command that only root can run."""
    return f"become root, then repeat the command: {root_shell()}"


def root_shell() -> str:
    """Return the command for a shell of root that means the same as this one.

    The folder stays, for paths in the repeated command, and so do the variables that
    say which lab is meant; and the path, in which a user need not have root's programs
    and Debian's sudo has not this one. A computer without sudo has ``su``, which keeps
    them all.
    """
    if shutil.which("sudo") is None:
        return 'PATH="$PATH:/usr/sbin:/sbin" su'
    kept = ",".join(sorted(name for name in os.environ if name.startswith("K8SLAB_")))
    sudo = f"sudo --preserve-env={kept}" if kept else "sudo"
    return f'{sudo} env "PATH=$PATH:/usr/sbin:/sbin" bash'


def _next(number: int, *, named: bool) -> str:
    """Return what to do about an error of the system, by whether a path is named."""
    if number in _REFUSED:
        return _NOT_EVEN_ROOT if os.geteuid() == 0 else become_root()
    if number in FULL and not named:
        return _WHICH_DISK
    return _NEXT.get(number, _ELSE)
