"""Run kubectl on the master as the administrator, again where nobody answered it."""

from __future__ import annotations

import re

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.core.process import Completed
from k8slab.ssh.shell import Shell

from .control_plane import ADMIN_CONF

KUBECTL = ("kubectl", f"--kubeconfig={ADMIN_CONF}")
# Go's words for an API server that starts, or is too busy to shake hands.
_SILENCE = re.compile(
    r"TLS handshake timeout|connection refused|client connection lost|i/o timeout|"
    r"request canceled|context deadline exceeded|unexpected EOF|etcdserver: |"
    r"unable to return a response"
)


def kubectl(
    master: Shell, *words: str, input: str | None = None, timeout: float = 60.0
) -> Completed:
    """Run kubectl until the API server answers; what it answers may be a failure.

    Args:
        master: The master over SSH.
        words: The command line after ``kubectl``.
        input: What it reads from its standard input.
        timeout: Seconds until giving up, and for each try.

    Raises:
        NotReady: The API server does not answer within the deadline.
    """
    return until(
        lambda: master.run(
            [*KUBECTL, *words], input=input, check=False, timeout=timeout
        ),
        what=f"the API server does not answer 'kubectl {words[0]}'",
        want="an answer",
        done=lambda said: said.ok or not _SILENCE.search(said.stderr),
        timeout=timeout,
        where=master.where,
        next=command("ssh", master.lab, f"{master.where} journalctl -u kubelet -n 30"),
    )
