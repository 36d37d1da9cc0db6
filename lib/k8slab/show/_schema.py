"""Know the kinds and fields of Kubernetes from the official client's models."""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_KIND = re.compile(r"(?:read|create)_(?:namespaced_)?([a-z0-9_]+)")
_API = re.compile(r"([A-Z][A-Za-z0-9]*?)(V\d+(?:(?:alpha|beta)\d+)?)Api")
_PLAIN = {"str": str, "bool": bool, "int": int, "float": (int, float), "bytes": str}
# Releases of the client write types in their own ways: dict[str, str], Dict[str, str],
# dict(str, str).
_LIST = re.compile(r"[Ll]ist\[(.*)\]")
_MAP = re.compile(r"[Dd]ict[\[(]str, (.*)[\])]")
# Amounts: the client says text, and the API server takes numbers as well.
_AMOUNTS = frozenset(
    (
        *("allocatable", "allocatedResources", "capacity", "consumedCapacity"),
        *("default", "defaultRequest", "hard", "limits", "max", "min", "overhead"),
        *("maxLimitRequestRatio", "podFixed", "requests", "used", "averageValue"),
        *("divisor", "maximumVolumeSize", "sizeLimit", "step", "tolerance"),
    )
)
# https://github.com/kubernetes/apimachinery/blob/master/pkg/api/resource/quantity.go
_AMOUNT = re.compile(
    r"\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?\s*"
)
# Numbers or texts: the client says any object.
_EITHER = frozenset(
    ("maxSurge", "maxUnavailable", "minAvailable", "port", "targetPort")
)
# Fields of 32 bits; the client does not tell them from those of 64.
_SMALL = _EITHER | frozenset(
    (
        *("backoffLimit", "completions", "containerPort", "failureThreshold"),
        *("hostPort", "initialDelaySeconds", "maxReplicas", "minReadySeconds"),
        *("minReplicas", "nodePort", "parallelism", "periodSeconds", "replicas"),
        *("progressDeadlineSeconds", "revisionHistoryLimit", "successThreshold"),
        *("timeoutSeconds", "weight"),
    )
)
# https://www.rfc-editor.org/rfc/rfc3339
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_VALUES = re.compile(r"V\w*?(MetricTarget|MetricValueStatus|DeviceCapacity)")
_BASE64 = (("V1Secret", "data"), ("V1ConfigMap", "binaryData"))


@dataclass(frozen=True)
class Place:
    """Where a value stands in a manifest.

    Attributes:
        path: With dots.
        field: Its field as `kubectl explain` takes it, with a dot in front: without
            the keys of maps and the numbers of items.
        above: The field that holds it.
    """

    path: str = ""
    field: str = ""
    above: str = ""

    def __str__(self) -> str:
        return self.path

    def to(self, name: str) -> Place:
        """Return the place of a field of it."""
        path = f"{self.path}.{name}" if self.path else name
        return Place(path, f"{self.field}.{name}", self.field)

    def item(self, key: str | int) -> Place:
        """Return the place of one of its items, or of what a key of it holds."""
        return Place(f"{self.path}.{key}", self.field, self.field)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a manifest.

    Attributes:
        what: What is wrong, as a sentence.
        path: Where, with dots.
        wanted: What would be right.
        seen: What is there.
        below: The path as `kubectl explain` takes it, with a dot in front, or empty.
    """

    what: str
    path: str
    wanted: str
    seen: str
    below: str


@cache
def models() -> dict[tuple[str, str], str]:
    """Return the model of each object the client knows, by apiVersion and kind."""
    from kubernetes import client

    found = {}
    for name in dir(client):
        match = _API.fullmatch(name)
        if match is None:
            continue
        group, version = match.groups()
        for method in vars(getattr(client, name)):
            words = _KIND.fullmatch(method)
            kind = words.group(1).replace("_", "").lower() if words else ""
            # The model of a kind that several groups have begins with the group.
            for prefix in (version, group + version):
                model = _names().get((prefix + kind).lower())
                if model is not None:
                    full = _GROUPS.get(group, group.lower())
                    api_version = f"{full}/{version.lower()}".lstrip("/")
                    found[api_version, model.removeprefix(prefix)] = model
    return found


def problems(api_version: str, data: dict[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with an object's fields; nothing for kinds unknown here."""
    model = models().get((api_version, str(data.get("kind"))))
    if model is not None:
        yield from _fields(model, data, Place())


_GROUPS = {
    "Core": "",
    "Networking": "networking.k8s.io",
    "Storage": "storage.k8s.io",
    "RbacAuthorization": "rbac.authorization.k8s.io",
    "Discovery": "discovery.k8s.io",
    "Events": "events.k8s.io",
    "Certificates": "certificates.k8s.io",
    "Coordination": "coordination.k8s.io",
    "Scheduling": "scheduling.k8s.io",
    "Node": "node.k8s.io",
    "Authentication": "authentication.k8s.io",
    "Authorization": "authorization.k8s.io",
    "Admissionregistration": "admissionregistration.k8s.io",
    "Apiextensions": "apiextensions.k8s.io",
    "Apiregistration": "apiregistration.k8s.io",
    "FlowcontrolApiserver": "flowcontrol.apiserver.k8s.io",
    "Resource": "resource.k8s.io",
    "InternalApiserver": "internal.apiserver.k8s.io",
    "Storagemigration": "storagemigration.k8s.io",
}


@cache
def _names() -> dict[str, str]:
    """Return the names of the client's models, by themselves in small letters."""
    from kubernetes.client import models

    return {name.lower(): name for name in dir(models)}


def _fields(model: str, value: Any, place: Place) -> Iterator[Problem]:
    from kubernetes.client import models

    known = getattr(models, model, None)
    if known is None or not hasattr(known, "openapi_types"):
        return
    if not isinstance(value, dict):
        yield _problem(f"{place} has fields", place, "fields, indented below it", value)
        return
    types = {
        known.attribute_map[key]: kind for key, kind in known.openapi_types.items()
    }
    for key, inner in value.items():
        below = place.to(key)
        if key not in types:
            near = difflib.get_close_matches(str(key), list(types), n=2)
            wanted = " or ".join(near) or "one of " + ", ".join(sorted(types))
            yield _problem(f"there is no field {below}", below, wanted, key)
            continue
        kind = types[key]
        is_amount = key in _AMOUNTS and not _LIST.fullmatch(kind)
        if is_amount or (key == "value" and _VALUES.fullmatch(model)):
            kind = re.sub(r"\bstr(?=\W*$)", "amount", kind)
        if (model, key) in _BASE64:
            kind = "dict[str, bytes]"
        yield from _typed(kind, inner, below)


def _typed(kind: str, value: Any, place: Place) -> Iterator[Problem]:
    if value is None:  # it says nothing, and the API server takes it for that
        return
    if inside := _LIST.fullmatch(kind):
        if not isinstance(value, list):
            yield _problem(f"{place} is a list", place, "items with a hyphen", value)
            return
        for index, each in enumerate(value):
            yield from _typed(inside[1], each, place.item(index))
    elif inside := _MAP.fullmatch(kind):
        if not isinstance(value, dict):
            yield _problem(f"{place} has keys", place, "key: value", value)
            return
        for key, each in value.items():
            yield from _typed(inside[1], each, place.item(key))
    elif kind == "amount":
        if not _is_amount(value):
            wanted = "an amount, as 2, 500m, 1.5Gi or 64M"
            yield _problem(f"{place} is no amount", place, wanted, value)
    elif kind == "object" and _last(place) in _EITHER:
        if not isinstance(value, str) and not _is_small(value):
            wanted = "a whole number, or text"
            yield _problem(f"{place} has the wrong type", place, wanted, value)
    elif kind == "datetime":
        if not isinstance(value, str) or not _TIME.fullmatch(value):
            wanted = "a time, as 2026-11-28T09:00:00Z"
            yield _problem(f"{place} is no time", place, wanted, value)
    elif kind == "int" and _last(place) in _SMALL and _is_whole(value):
        if not _is_small(value):
            wanted = "a number of at most 2147483647"
            yield _problem(f"{place} is too large", place, wanted, value)
    elif kind in _PLAIN:
        if not _fits(kind, value):
            quoted = kind in ("int", "float", "bool") and isinstance(value, str)
            shown = json.dumps(value, ensure_ascii=False) if quoted else value
            yield _problem(f"{place} has the wrong type", place, _name(kind), shown)
        elif kind == "bytes" and not _is_base64(value):
            yield _problem(f"{place} is not base64", place, _name(kind), value)
    else:
        yield from _fields(kind, value, place)


def _fits(kind: str, value: Any) -> bool:
    if kind in ("int", "float") and isinstance(value, bool):
        return False
    if kind == "int" and isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False
    return isinstance(value, _PLAIN[kind])  # type: ignore[arg-type]


def _last(place: Place) -> str:
    return place.field.rpartition(".")[2]


def _is_small(value: Any) -> bool:
    """Say whether a value is a whole number of 32 bits."""
    return _is_whole(value) and -(2**31) <= value < 2**31


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    if isinstance(value, str):
        return _AMOUNT.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except ValueError:
        return False
    return True


def _name(kind: str) -> str:
    return {
        "str": "text; a number or true is text in quotes",
        "bool": "true or false, without quotes",
        "int": "a whole number, without quotes",
        "bytes": "base64; plain text belongs below stringData",
    }.get(kind, "a number, without quotes")


def _problem(what: str, place: Place, wanted: str, seen: Any) -> Problem:
    shown = json.dumps(seen) if isinstance(seen, bool | None) else str(seen)
    return Problem(what, place.path, wanted, shown[:80], place.above)
