"""Know which kinds of object the API server serves, and where."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput
from .connection import Connection

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    Attributes:
        group: Its API group; empty for the core group.
        version: The version the server prefers.
        kind: ``ReplicationController``.
        plural: ``replicationcontrollers``.
        names: Everything it may be called, in lower case.
        namespaced: Whether its objects are in namespaces.
        verbs: What can be done with it.
    """

    group: str
    version: str
    kind: str
    plural: str
    names: frozenset[str]
    namespaced: bool
    verbs: frozenset[str]

    @property
    def api_version(self) -> str:
        """The value of ``apiVersion`` in its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of all objects, those of a namespace, or one."""
        root = f"/apis/{self.group}" if self.group else "/api"
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        path = f"{root}/{self.version}{inside}/{self.plural}"
        return f"{path}/{name}" if name else path

    def watched(self, namespace: str = "") -> str:
        """Return the path of all objects, whose changes the server tells.

        Raises:
            BadInput: It tells none, as that of figures, which are no stored objects.
        """
        if "watch" not in self.verbs:
            raise BadInput(
                f"the API server does not tell when {self.kind} changes",
                wanted="a kind with the verb watch: kubectl api-resources -o wide",
                seen=", ".join(sorted(self.verbs)),
                next=f'look again and again: wait.until(lambda: ns.find("{self.kind}"),'
                f' what="{self.plural}", want="some", timeout=60)',
            )
        return self.path(namespace)


class Catalogue:
    """All kinds of object a server has; one is looked up among those known first.

    Args:
        connection: The way to the server.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: tuple[Resource, ...] = ()
        self._lock = threading.Lock()

    def resources(self) -> tuple[Resource, ...]:
        """Return all kinds as they are now, in the version the server prefers."""
        with self._lock:
            found: dict[tuple[str, str], Resource] = {}
            others: list[Resource] = []
            for root in ("/api", "/apis"):
                headers = {"Accept": _AGGREGATED}
                answer = self._connection.send("GET", root, headers=headers)
                for group in answer.get("items") or []:
                    for each in _of_group(group):
                        key = (each.group, each.plural)
                        if found.setdefault(key, each) is not each:
                            others.append(each)
            preferred = tuple(found.values())
            self._known = (*preferred, *others)  # `find` takes the first that fits
            return preferred

    def served(self) -> tuple[Resource, ...]:
        """Return all kinds as they are now, in all versions, the preferred ones first.

        A kind that has several stands there several times.
        """
        self.resources()
        return self._known

    def find(self, kind: str, api_version: str = "") -> Resource:
        """Return a kind by any of its names, as kubectl takes them.

        Args:
            kind: ``Pod``, ``pods``, ``po``, ``deployments.apps``.
            api_version: Take this one only, as in ``apps/v1``.

        Raises:
            BadInput: The server has no such kind.
        """
        if not isinstance(kind, str):
            raise BadInput(
                "a kind is a text",
                wanted="a kind that 'kubectl api-resources' lists, as Pod",
                seen=repr(kind),
            )

        def named(known: tuple[Resource, ...]) -> Resource | None:
            fit = (each for each in known if kind.lower() in each.names)
            return next((e for e in fit if api_version in ("", e.api_version)), None)

        found = named(self._known) or named(self.served())
        if found is not None:
            return found
        raise BadInput(
            f"the cluster has no kind of object named {kind!r}",
            wanted="a kind that 'kubectl api-resources' lists",
            seen=f"{kind} {api_version}".strip(),
        )


def _of_group(group: dict[str, Any]) -> list[Resource]:
    name = (group.get("metadata") or {}).get("name", "")
    return [
        _resource(name, version["version"], entry)
        for version in group.get("versions") or []
        for entry in version.get("resources") or []
        if entry.get("responseKind")
    ]


def _resource(group: str, version: str, entry: dict[str, Any]) -> Resource:
    kind, plural = entry["responseKind"]["kind"], entry["resource"]
    names = {kind.lower(), plural, entry.get("singularResource") or plural}
    names |= set(entry.get("shortNames") or [])
    if group:
        names |= {f"{name}.{group}" for name in names}
    return Resource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        names=frozenset(names),
        namespaced=entry.get("scope") == "Namespaced",
        verbs=frozenset(entry.get("verbs") or []),
    )
