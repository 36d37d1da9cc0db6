"""Know the kinds and fields of Kubernetes from the official client's models."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

_KIND = re.compile(r"(?:read|create)_(?:namespaced_)?([a-z0-9_]+)")
_API = re.compile(r"([A-Z][A-Za-z0-9]*?)(V\d+(?:(?:alpha|beta)\d+)?)Api")
_PLAIN = {"str": str, "bool": bool, "int": int, "float": (int, float)}


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
def kinds() -> set[tuple[str, str]]:
    """Return apiVersion and kind of all objects the client knows."""
    from kubernetes import client

    found = set()
    for name in dir(client):
        match = _API.fullmatch(name)
        if match is None:
            continue
        group, version = match.groups()
        for method in vars(getattr(client, name)):
            words = _KIND.fullmatch(method)
            kind = words.group(1).replace("_", "").lower() if words else ""
            model = _models().get((version, kind))
            if model is not None:
                full = _GROUPS.get(group, group.lower())
                prefix = f"{full}/" if full else ""
                found.add((prefix + version.lower(), model.removeprefix(version)))
    return found


def problems(api_version: str, data: dict[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with an object's fields; nothing for kinds unknown here."""
    version = api_version.rpartition("/")[2]
    model = f"{version.capitalize()}{data.get('kind')}"
    yield from _fields(model, data, "")


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
}


@cache
def _models() -> dict[tuple[str, str], str]:
    from kubernetes.client import models

    found = {}
    for name in dir(models):
        match = re.match(r"V\d+(?:(?:alpha|beta)\d+)?(?=[A-Z])", name)
        if match:
            found[match.group(0), name[match.end() :].lower()] = name
    return found


def _fields(model: str, value: Any, path: str) -> Iterator[Problem]:
    from kubernetes.client import models

    known = getattr(models, model, None)
    if known is None or not hasattr(known, "openapi_types"):
        return
    if not isinstance(value, dict):
        yield _problem(f"{path} has fields", path, "fields, indented below it", value)
        return
    types = {
        known.attribute_map[key]: kind for key, kind in known.openapi_types.items()
    }
    for key, inner in value.items():
        below = f"{path}.{key}".lstrip(".")
        if key not in types:
            near = difflib.get_close_matches(str(key), list(types), n=2)
            wanted = " or ".join(near) or "one of " + ", ".join(sorted(types))
            yield _problem(f"there is no field {below}", below, wanted, key)
        elif inner is not None:
            yield from _typed(types[key], inner, below)


def _typed(kind: str, value: Any, path: str) -> Iterator[Problem]:
    inside = re.fullmatch(r"(?:list\[(.*)\]|dict\(str, (.*)\))", kind)
    if inside and inside.group(1):
        if not isinstance(value, list):
            yield _problem(f"{path} is a list", path, "items with a hyphen", value)
            return
        for index, each in enumerate(value):
            yield from _typed(inside.group(1), each, f"{path}.{index}")
    elif inside:
        if not isinstance(value, dict):
            yield _problem(f"{path} has keys", path, "key: value", value)
            return
        for key, each in value.items():
            yield from _typed(inside.group(2), each, f"{path}.{key}")
    elif kind in _PLAIN:
        number = kind == "int" and isinstance(value, bool)
        if number or not isinstance(value, _PLAIN[kind]):  # type: ignore[arg-type]
            yield _problem(f"{path} has the wrong type", path, _name(kind), value)
    else:
        yield from _fields(kind, value, path)


def _name(kind: str) -> str:
    return {"str": "text, in quotes if need be", "bool": "true or false"}.get(
        kind, "a number"
    )


def _problem(what: str, path: str, wanted: str, seen: Any) -> Problem:
    words = [word for word in path.split(".")[:-1] if not word.isdigit()]
    below = "." + ".".join(words) if words else ""
    return Problem(what, path, wanted, str(seen)[:80], below)
