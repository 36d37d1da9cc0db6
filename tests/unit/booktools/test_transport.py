"""Kernels that run chapters are reached by files, where a socket's path is allowed."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import nbval.kernel
import pytest
from jupyter_client.kernelspec import KernelSpecManager

import booktools.pytest_plugin  # noqa: F401 - it is what sets nbval's
from booktools.transport import manager


@pytest.fixture
def short() -> Iterator[Path]:
    """Return a folder whose path is shorter than that of pytest's own."""
    with TemporaryDirectory() as name:
        yield Path(name)


def test_a_kernel_listens_at_files_of_its_own(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder for its owner alone; two kernels never meet."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(short / "run"))
    one, two = manager(), manager()

    assert [one.transport, two.transport] == ["ipc", "ipc"]
    assert one.ip != two.ip
    assert Path(one.ip).parent == short / "run"
    assert (short / "run").stat().st_mode & 0o777 == 0o700


def test_nbvals_kernels_are_reached_so() -> None:
    """It has no setting for that; the plugin that runs chapters sees to it."""
    assert nbval.kernel.KernelManager is manager


def test_where_a_path_is_too_long_for_a_socket_a_port_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel of a reader with a deep home starts, too."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / ("deep" * 25)))

    assert manager().transport == "tcp"


def test_a_kernel_that_the_reader_installed_runs_no_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jupyter may prefer it, and another Python knows nothing of this book."""
    place = tmp_path / "kernels" / "python3"
    place.mkdir(parents=True)
    told = {"argv": ["/usr/bin/other"], "display_name": "x", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(told))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    theirs = KernelSpecManager().get_kernel_spec("python3")
    ours = manager().kernel_spec_manager.get_kernel_spec("python3")

    assert theirs.argv == ["/usr/bin/other"]
    assert ours.argv != theirs.argv
