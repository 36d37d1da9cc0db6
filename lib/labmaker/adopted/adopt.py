"""Make an existing cluster a lab, of which only the API is used."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from k8slab import lab
from k8slab.core import files, outside
from k8slab.core.hints import command
from k8slab.core.process import LocalRunner, Runner, search_path
from k8slab.errors import (
    ApiError,
    BadInput,
    BundleError,
    HostProblem,
    LabError,
    LabMissing,
)
from k8slab.folder import LabFolder
from k8slab.lab_record import ADOPTED, REGISTRY, LabRecord

from .. import bundle, push
from ..bundle import components, versions
from ..clone import clone
from ..companions import refuse_own
from . import context as contexts

_VERSION_S = 10.0
"""How long a kubectl may take to say its version; it asks no server."""
_OF_PATH = "of the PATH"
_STANDS_FOR = "it starts another program, or labs lie where none can be run (noexec)"
_SKEW = 1  # kubectl serves a minor version more and less than its own


@dataclass(frozen=True)
class Adopted:
    """A cluster that is a lab now.

    Attributes:
        record: What the lab's folder says of it.
        server: The address of its API server.
        kubectl: Which kubectl it got, in words.
    """

    record: LabRecord
    server: str
    kubectl: str


def adopt(
    name: str | None,
    kubeconfig: Path,
    *,
    context: str | None = None,
    images: str | None = None,
    runner: Runner | None = None,
) -> Adopted:
    """Write a lab's folder for a cluster that is there; nothing is sent but GETs.

    A lab of that name that was adopted gets new credentials, of the same cluster.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        kubeconfig: Somebody's kubeconfig; it is read once and not changed.
        context: One of its contexts; the current one when None.
        images: The registry and path that chapters' images are pulled from; when None
            those of the lab that was adopted before, or the book's own.
        runner: Runs commands on this computer.

    Raises:
        BadInput: The kubeconfig is not to be adopted, the lab is there already, or
            there is something else than a lab in the place of its folder.
        WrongCluster: Who answers is not vouched for by the kubeconfig's CA.
        ApiUnreachable: The cluster does not answer.
        ApiError: It refuses these credentials.
        HostProblem: There is no kubectl that fits.
    """
    folder = lab.folder(name)
    refuse_own(folder.name)
    prefix = "" if images is None else push.prefix_of(images)
    text = contexts.read(kubeconfig, context)
    with outside.told(), files.usual_modes(), folder.locked():
        before = folder.record()
        folder.refuse_lost_notes()
        folder.refuse_foreign()  # or what is called as a lab's files are would be lost
        if before is not None and not before.is_adopted:
            raise BadInput(
                f"there is a lab named {folder.name!r} already",
                where=str(folder.root),
                wanted="a name that no lab has",
                seen=f"a lab of {len(before.machines)} machines",
                next="choose another one: --name NAME",
            )
        if before is not None and not prefix:
            prefix = before.prefix
        folder.home.mkdir(parents=True, exist_ok=True)
        # Beside it, so that what fails leaves the lab as it was.
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.home
        ) as there:
            place = prefix or REGISTRY
            return _adopt(folder, Path(there), text, place, runner or LocalRunner())


def _adopt(
    folder: LabFolder, beside: Path, text: str, prefix: str, runner: Runner
) -> Adopted:
    from k8slab.kube import pinning
    from k8slab.kube.connection import Connection
    from k8slab.kube.kubeconfig import Kubeconfig

    files.write(beside / "kubeconfig", text)
    access = Kubeconfig.read(folder, draft=beside / "kubeconfig")
    connection = Connection(folder, access, client=beside / "client", adopted=True)
    try:
        seen = pinning.take(connection)
        kubernetes = str(connection.send("GET", "/version")["gitVersion"])
    except ApiError as error:
        error.next = {
            401: "get a kubeconfig whose credentials are valid",
            403: "let them get the namespace kube-system, and make and remove others",
        }.get(error.status, "")
        raise
    finally:
        connection.close()
    with suppress(LabMissing):  # none, or a damaged one, which is written anew
        pinned = pinning.Fingerprint.load(folder)
        if pinned.kube_system_uid != seen.kube_system_uid:
            raise BadInput(
                f"the lab {folder.name!r} is another cluster",
                where=access.server,
                wanted=f"the cluster whose kube-system has {pinned.kube_system_uid}",
                seen=seen.kube_system_uid,
                next="choose another --name, or forget that one first: "
                + command("down", folder.name),
            )
    said = _kubectl(kubernetes, beside / "kubectl", runner)
    known = versions.read(bundle.source()).images
    record = LabRecord(
        name=folder.name,
        provider=ADOPTED,
        kubernetes=kubernetes.removeprefix("v"),
        machines=(),
        ranges=None,
        images={
            image.name: known[image.name].replace(REGISTRY, prefix, 1)
            for image in components.chapter_images()
        },
        complete=True,
    )
    folder.clear()  # or faults of a lab that lost its record would be undone in this
    folder.write(folder.kubeconfig.name, text)
    seen.save(folder.fingerprint)
    (beside / "kubectl").replace(folder.kubectl)
    shutil.rmtree(folder.client, ignore_errors=True)  # old credentials
    folder.save(record)
    return Adopted(record, access.server, said)


def _kubectl(server: str, target: Path, runner: Runner) -> str:
    """Give the lab a kubectl that fits its cluster; return which one, in words."""
    wanted = _minor(server)
    seen = []
    for path, version, what in _kubectls(runner):
        seen.append(f"{version} {what}")
        if abs(_minor(version) - wanted) > _SKEW:
            continue
        if what == _OF_PATH:
            # Not by a link, for whoever downloads another one may write into it.
            shutil.copyfile(path.resolve(), target)
            target.chmod(0o755)
            if _version_of(target, runner, home=target.parent) != version:
                target.unlink()
                seen[-1] += f", whose copy does not run: {_STANDS_FOR}"
                continue
        else:
            clone(path.resolve(), target, runner)
        return seen[-1]
    raise HostProblem(
        "there is no kubectl here that fits the cluster",
        where=f"a cluster of version {server}",
        wanted=f"kubectl 1.{wanted - _SKEW} to 1.{wanted + _SKEW}",
        seen="; ".join(seen) or "none that runs, neither on the PATH nor in a bundle",
        next="put one that fits first on the PATH, and adopt again",
    )


def _kubectls(runner: Runner) -> Iterator[tuple[Path, str, str]]:
    """Yield the kubectls of this computer: path, version and where each is from.

    The one of the PATH, which may be broken, is run only when the bundle's does not
    fit.
    """
    with suppress(BundleError):  # never built, which an adopted cluster does not need
        built = bundle.opened()
        yield built.kubectl, f"v{built.versions.kubernetes}", "of the bundle"
    on_path = shutil.which("kubectl", path=search_path())
    if on_path and (version := _version_of(Path(on_path), runner)):
        yield Path(on_path), version, _OF_PATH


def _version_of(program: Path, runner: Runner, *, home: Path | None = None) -> str:
    """Return a kubectl's version; empty where it is a script or cannot be run.

    Args:
        program: The kubectl.
        runner: Runs it.
        home: A folder that it has for its home and PATH, as a lab's has; the reader's
            when None.
    """
    argv = [str(program), "version", "--client", "--output=json"]
    if home is not None:
        argv = ["env", f"HOME={home}", f"PATH={home}", *argv]
    try:
        if _is_script(program):
            return ""
        said = runner.run(argv, check=False, timeout=_VERSION_S).stdout
    except (LabError, OSError):
        return ""
    return _client_version(said)


def _is_script(path: Path) -> bool:
    """Return whether it is a script, as JupyterLab's terminals have for the lab's."""
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _client_version(said: str) -> str:
    try:
        told: Mapping[str, Mapping[str, str]] = json.loads(said)
        return str(told["clientVersion"]["gitVersion"])
    except (ValueError, KeyError, TypeError):
        return ""


def _minor(version: str) -> int:
    """Return the minor number of a version, as 37 of ``v1.37.2``; 0 where none is."""
    parts = version.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
