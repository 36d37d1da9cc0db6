"""Ask one cluster's API server, and run kubectl on it, and on no other."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import given
from ..core.patience import stretched
from ..core.process import DEFAULT_TIMEOUT_S, Completed, LocalRunner
from ..errors import (
    ApiError,
    ApiUnreachable,
    BadInput,
    InUse,
    LabMissing,
    NotConnected,
)
from ..folder import LabFolder
from . import images, pinning
from .connection import Connection
from .discovery import Catalogue
from .kubeconfig import Kubeconfig
from .kubectl import check_editor, environment
from .kubectl_arguments import kubectl_arguments, own_arguments
from .objects import Node, Object, Pod, event_line, event_time
from .pinning import Fingerprint
from .watch import LAST_LOOK_S, Watch, states

if TYPE_CHECKING:  # half a second to import; see connection.py
    from kubernetes.client import ApiClient

_NAME = re.compile(r"[^\s/?#%]+")  # some kinds take nearly any sign, as roles do
_BARE = re.compile(r"[\w.-]+")  # labels that ask for a key alone, or a name by mistake
DEFAULT = "default"
"""The namespace of a session that has made none of its own."""


class ClusterApi:
    """The API of one lab's cluster. Nothing is sent before it is first used.

    Args:
        folder: The lab's files: how the cluster is reached, which one is meant, and
            what kubectl writes.
        adopted: Whether it is somebody's cluster.
        prefix: The registry that its images come from in the place of the chapters'
            own; empty where there is no other.

    Attributes:
        lab: The lab's name.
        folder: The lab's files.
        fingerprint: The pinned fingerprint; every other cluster is refused.
        namespace: Where ``%kubectl`` works when it is given no namespace.
        refusal: Why nothing may be done in it now; None when all may.

    Raises:
        LabMissing: The folder has lost the fingerprint.
    """

    def __init__(
        self, folder: LabFolder, *, adopted: bool = False, prefix: str = ""
    ) -> None:
        self.lab = folder.name
        self.folder = folder
        self.fingerprint = Fingerprint.load(folder)
        self._adopted = adopted
        self._prefix = prefix
        self.namespace = DEFAULT
        self.refusal: InUse | NotConnected | None = None
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._catalogue: Catalogue | None = None

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"lab {self.lab}"

    @property
    def kubeconfig(self) -> Path:
        """The lab's kubeconfig, for programs that read one.

        Raises:
            WrongCluster: It leads to another cluster.
        """
        self.check_access()
        return self.folder.kubeconfig

    @property
    def connection(self) -> Connection:
        """The guarded way to the API server.

        Raises:
            WrongCluster: The kubeconfig leads to another cluster.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self.new_connection()
            return self._connection

    def new_connection(self) -> Connection:
        """Return another guarded way, for a thread of its own, which closes it.

        Raises:
            WrongCluster: The kubeconfig leads to another cluster.
        """
        access = self.check_access()
        return Connection(self.folder, access, adopted=self._adopted)

    @property
    def catalogue(self) -> Catalogue:
        """The kinds of object that the API server has."""
        with self._lock:
            if self._catalogue is None:
                self._catalogue = Catalogue(self.connection)
            return self._catalogue

    def new_api(self) -> ApiClient:
        """Return a new official client, with time limits set."""
        return self.connection.new_api()

    @property
    def requests(self) -> int:
        """How many requests were sent to the API server so far."""
        return self.connection.requests

    def version(self) -> str:
        """Return the API server's version, as in ``v1.37.2``."""
        return str(self.connection.send("GET", "/version")["gitVersion"])

    def check_access(self) -> Kubeconfig:
        """Read the kubeconfig and compare it with the fingerprint; sends nothing.

        Raises:
            WrongCluster: It leads to another cluster.
            InUse: Another session works where this one wanted to.
        """
        self.check_refusal()
        access = Kubeconfig.read(self.folder)
        pinning.check_access(access, self.fingerprint)
        return access

    def check_refusal(self) -> None:
        """Raise what says that nothing may be done in this cluster now."""
        if self.refusal is not None:
            raise copy(self.refusal)  # which grows with every cell that raises it

    def verify(self) -> None:
        """Compare the cluster that answers with the fingerprint, by one GET.

        Raises:
            ApiUnreachable: It does not answer.
            WrongCluster: Another cluster answers.
        """
        self.check_access()
        pinning.verify(self.connection, self.fingerprint)

    def find(
        self, kind: str, *, namespace: str = "", selector: str = ""
    ) -> list[Object]:
        """Return all objects of a kind.

        Args:
            kind: Any name that kubectl takes for it.
            namespace: Only those in this namespace.
            selector: Only those with these labels.

        Raises:
            BadInput: There is no such kind, or the labels are an object's name.
        """
        inside, query = _named(namespace), _labels(selector)
        path = self.catalogue.find(kind).path(inside)
        found = list(self.connection.send("GET", path, query=query).get("items") or [])
        if not found:
            self._refuse_name(kind, inside, query)
        return found

    def _refuse_name(self, kind: str, inside: str, query: dict[str, str]) -> None:
        """Refuse an object's name in the place of labels that no object has.

        Alone it asks for a label of that name, so it would seem that nothing is there.
        """
        labels = query.get("labelSelector", "")
        if not _BARE.fullmatch(labels):
            return
        named = {}
        with suppress(ApiError, ApiUnreachable):  # whoever asks for more is told so
            named = self.connection.send(
                "GET",
                self.catalogue.find(kind).path(inside),
                query={"fieldSelector": f"metadata.name={labels}"},
                timeout=stretched(LAST_LOOK_S),
            )
        if labels in [each["metadata"]["name"] for each in named.get("items") or []]:
            raise BadInput(
                "selector takes labels, and this is the name of an object",
                where=self.where,
                wanted="labels, as app=web",
                seen=labels,
                next="one object by its name: ns.get(kind, name), wait.pod(ns, name)",
            )

    def get(self, kind: str, name: str, *, namespace: str = "") -> Object:
        """Return one object.

        Raises:
            BadInput: That can be no object's name, there is no such kind, or its
                objects are in namespaces and none is named.
            ApiError: There is none of that name.
        """
        name = given.plain(name)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadInput(
                "this is no name",
                wanted="the name of one object, as web-1",
                seen=repr(name),
                next="all objects of a kind: find",
            )
        found, inside = self.catalogue.find(kind), _named(namespace)
        if found.namespaced and not inside:
            asked = f'"{found.kind}", "{name}"'
            raise BadInput(
                f"every {found.kind} is in a namespace, and none is named",
                where=self.where,
                wanted=f'cluster.get({asked}, namespace="{self.namespace}")',
                seen=f"cluster.get({asked})",
                next=f"of a chapter's own namespace: ns.get({asked})",
            )
        return self.connection.send("GET", found.path(inside, name))

    def pods(self, selector: str = "") -> list[Pod]:
        """Return the Pods of all namespaces."""
        return [Pod.read(each) for each in self.find("Pod", selector=selector)]

    def nodes(self) -> list[Node]:
        """Return the machines as the cluster sees them."""
        return [Node.read(each) for each in self.find("Node")]

    def watch(
        self,
        kind: str,
        *,
        name: str = "",
        selector: str = "",
        timeout: float,
        namespace: str = "",
    ) -> Generator[list[Object], None, None]:
        """Yield the objects as they are, and after every change; see `watch.states`.

        Args:
            kind: Any name that kubectl takes for it.
            name: Only the one of this name.
            selector: Only those with these labels.
            timeout: Seconds until the last look, already `stretched`.
            namespace: Only those in this namespace.

        Raises:
            BadInput: The labels are an object's name.
        """
        query = _labels(selector)
        if name:
            query["fieldSelector"] = f"metadata.name={name}"
        inside = _named(namespace)
        # The kinds are asked for while it waits: a server that starts knows none.
        watch = Watch(
            self.connection,
            lambda: self.catalogue.find(kind).watched(inside),
            selectors=query,
        )
        looks = states(watch, timeout)
        return self._judged(looks, lambda: self._refuse_name(kind, inside, query))

    @staticmethod
    def _judged(
        looks: Generator[list[Object], None, None], refuse: Callable[[], None]
    ) -> Generator[list[Object], None, None]:
        """Yield looks, of which the first may have found nothing for a reason."""
        with closing(looks):
            for number, objects in enumerate(looks):
                if number == 0 and not objects:
                    refuse()
                yield objects

    def events(self, about: str = "", *, namespace: str = "") -> list[str]:
        """Return Events, the latest last.

        Args:
            about: Only those about the object of this name.
            namespace: Only those in this namespace.

        Raises:
            BadInput: That can be no object's name: no Event would be about it.
        """
        about = given.text("about", about, "an object's name: pod.name")
        if about and (not _NAME.fullmatch(about) or "=" in about):
            raise BadInput(
                "about takes the name of one object",
                wanted="its name without its kind, as web-1",
                seen=about,
                next="those about all objects: leave it out",
            )
        inside = f"/namespaces/{_named(namespace)}" if namespace else ""
        query = {"fieldSelector": f"involvedObject.name={about}"} if about else {}
        found = self.connection.send("GET", f"/api/v1{inside}/events", query=query)
        latest_last = sorted(found.get("items") or [], key=event_time)
        return [event_line(each) for each in latest_last]

    def kubectl_command(
        self, argv: Sequence[str], *, namespace: str = ""
    ) -> tuple[list[str], dict[str, str]]:
        """Return the command and the variables that run kubectl on this cluster.

        For who starts it on a terminal of its own; `kubectl` runs it here.

        Raises:
            BadInput: The arguments are no list of texts.
            Refused: The arguments, or the kubeconfig, could reach another cluster.
            HostProblem: It would open an editor, and there is none.
            LabMissing: The lab's kubectl was lost.
        """
        _check_words(argv)
        kubectl = self.folder.kubectl
        if not kubectl.exists():
            raise LabMissing(
                "the lab has no kubectl",
                where=str(kubectl),
                next=self.folder.how_to_restore(),
            )
        arguments = kubectl_arguments(argv)
        if self._prefix:
            copies = self.folder.client / "manifests"
            arguments = images.in_arguments(arguments, self._prefix, copies)
        variables = environment(
            self.check_access(),
            self.folder.kubeconfig,
            self.folder.client,
            _named(namespace) or self.namespace,
        )
        check_editor(own_arguments(argv), variables)
        return [str(kubectl), *arguments], variables

    def kubectl(
        self,
        argv: Sequence[str],
        *,
        namespace: str = "",
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run kubectl on this cluster and no other.

        Args:
            argv: Its arguments, without ``kubectl`` itself.
            namespace: Its default namespace, instead of the current one.
            input: What it reads on its standard input.
            check: Raise when the exit code is not 0.
            timeout: Seconds until it is ended.
            on_line: Called with each line as it is printed, on either stream.

        Raises:
            BadInput: The arguments are no list of texts.
            Refused: The arguments, or the kubeconfig, could reach another cluster.
            HostProblem: It would open an editor, and there is none.
            LabMissing: The lab's kubectl was lost.
            CommandFailed: The exit code is not 0 and ``check`` is true.
            CommandTimeout: The deadline passed.
        """
        command, variables = self.kubectl_command(argv, namespace=namespace)
        if input and self._prefix:
            input = images.in_manifest(input, self._prefix)
        done = LocalRunner(env=variables).run(
            command,
            input=input,
            check=False,
            timeout=timeout,
            on_line=on_line,
        )
        done = replace(done, argv=("kubectl", *command[1:]), where=self.where)
        return done.check() if check else done

    def close(self) -> None:
        """Close the connection to the API server."""
        with self._lock:
            connection, self._connection = self._connection, None
            self._catalogue = None
        if connection is not None:
            connection.close()


def _named(namespace: object) -> str:
    """Return a namespace's name; in what is none, nothing at all would be found."""
    namespace = given.plain(namespace)
    if namespace is None or isinstance(namespace, str):
        return namespace or ""
    raise BadInput(
        "namespace takes a name",
        wanted="a text, as kube-system",
        seen=repr(namespace),
        next="take its name: namespace=ns.name",
    )


def _labels(selector: object) -> dict[str, str]:
    """Return the query that asks for objects with labels."""
    if selector is None:
        return {}
    labels = given.text("selector", selector, "labels, as app=web")
    return {"labelSelector": labels} if labels else {}


def _check_words(argv: object) -> None:
    """Refuse what is no list of arguments: of a text, each letter would be one."""
    words = argv if isinstance(argv, Sequence) and not isinstance(argv, str) else [None]
    if not all(isinstance(each, str) and "\0" not in each for each in words):
        raise BadInput(
            "kubectl takes its arguments as a list of texts",
            wanted='cluster.kubectl(["get", "pods"])',
            seen=f"a {type(argv).__name__}",
            next="in a cell: %kubectl get pods",
        )
