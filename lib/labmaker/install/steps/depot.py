"""Start the depot on its machine: packages and images, over TLS."""

from __future__ import annotations

from collections.abc import Callable

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import DEPOT_HOST

NAMES = (DEPOT_HOST, REGISTRY)
_TIMEOUT_S = 30.0


def serve(shell: Shell, *, certificate: str, key: str) -> bool:
    """Give the depot its certificate, start it and see both halves answer.

    Args:
        shell: The depot's machine.
        certificate: Its certificate, in PEM.
        key: The certificate's private key, in PEM.

    Returns:
        Whether anything had to be done.

    Raises:
        NotReady: The packages or the images are not served within 30 s.
    """
    written = [
        shell.put("/etc/depot/tls.crt", certificate),
        shell.put("/etc/depot/tls.key", key, mode=0o600),
    ]
    if any(written):
        shell.run(["systemctl", "start", "registry.service", "nginx.service"])
    wait_served(shell)
    return any(written)


def wait_served(shell: Shell) -> None:
    """Wait until the depot serves its packages and its images.

    Raises:
        NotReady: It does not within 30 s.
    """
    for name, path in ((DEPOT_HOST, "/apt/dists/lab/InRelease"), (REGISTRY, "/v2/")):
        until(
            _status(shell, name, path),
            what=f"the depot does not serve https://{name}{path}",
            want="HTTP status 200",
            done=lambda status: status == "200",
            timeout=_TIMEOUT_S,
            where="depot",
            next=command(
                "ssh", shell.lab, "depot journalctl -u nginx -u registry -n 30"
            ),
        )


def _status(shell: Shell, name: str, path: str) -> Callable[[], str]:
    """Return a look at the HTTP status of one address, asked on the depot itself."""
    argv = [
        "curl",
        "--silent",
        "--insecure",
        "--max-time",
        "2",
        "--output",
        "/dev/null",
    ]
    argv += ["--write-out", "%{http_code}", "--resolve", f"{name}:443:127.0.0.1"]
    argv.append(f"https://{name}{path}")
    return lambda: shell.run(argv, check=False).stdout
