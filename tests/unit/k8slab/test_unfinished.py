"""A setup cell that fails half way leaves no cluster to act on."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from k8slab import magics
from k8slab.errors import NotConnected
from k8slab.kube.cluster import Cluster


@pytest.mark.parametrize(
    ("cell", "refused"),
    [
        ("connect()", False),
        ("connect(); require()", True),
        ("connect(); raise KeyboardInterrupt", True),
        ("connect(); cluster.namespace = 'chapter'; require()", False),
        ("connect(); require(", False),  # nothing of it ran
    ],
    ids=["well", "failed", "interrupted", "behind its namespace", "not Python"],
)
def test_a_cell_that_connects_and_fails_is_run_again(
    cluster: Cluster, shell: InteractiveShell, cell: str, *, refused: bool
) -> None:
    """Cells below it are refused until then; cells that fail later change nothing."""
    shell.push({"connect": lambda: magics.register(cluster), "cluster": cluster})
    with capture_output():
        shell.run_cell(cell)
        after = cluster.refusal
        shell.run_cell("connect(); print()")
        shell.run_cell("no_such_name")

    assert isinstance(after, NotConnected) == refused
    assert cluster.refusal is after  # the same cluster; a new connection has its own


def test_a_cell_without_a_result_did_not_end(
    cluster: Cluster, shell: InteractiveShell
) -> None:
    """As one with an "await" that was interrupted."""
    magics.register(cluster)
    with capture_output() as seen:
        shell.events.trigger("post_run_cell", None)

    assert isinstance(cluster.refusal, NotConnected)
    assert "Error in callback" not in seen.stdout + seen.stderr


def test_what_failed_is_told_to_the_cells_below(
    cluster: Cluster, shell: InteractiveShell, kubectl: Any
) -> None:
    """Nothing reaches kubectl."""
    kubectl("echo reached")
    shell.push({"connect": lambda: magics.register(cluster)})
    with capture_output() as seen:
        shell.run_cell("connect(); 1 / 0")
        shell.run_cell("%kubectl delete pods --all")

    assert "did not end" in seen.stdout
    assert "reached" not in seen.stdout
