"""A chapter runs where there is the helper library, a lab's folder, and no maker."""

from __future__ import annotations

import json
from pathlib import Path

import alone
import kernels
from labs import Lab

from k8slab.kube import snapshot

KERNEL = """
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""


def test_a_chapter_needs_no_other_package(main: Lab, tmp_path: Path) -> None:
    """It connects by the lab's folder, and passes to its end."""
    spec = tmp_path / "kernels" / "alone" / "kernel.json"
    spec.parent.mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    code = alone.prelude(tmp_path / "lib") + KERNEL
    argv = [*alone.PYTHON, "-c", code, "-f", "{connection_file}"]
    told = {"argv": argv, "display_name": "k8slab alone", "language": "python"}
    spec.write_text(json.dumps(told))

    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        kernels.run(kernels.chapter("service-access"), main.name, spec=spec.parent)
        left = snapshot.difference(before, snapshot.take(cluster))

    assert left == []
