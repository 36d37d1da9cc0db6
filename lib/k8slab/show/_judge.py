"""Refuse a manifest that Kubernetes would refuse."""

from __future__ import annotations

import difflib
import re

from ..errors import ApiError, ApiUnreachable, BadManifest, LabMissing
from ..kube.cluster import Cluster
from . import _schema as schema
from ._manifest import Manifest, bad
from ._yaml import SHOWN

_STRICT = {"dryRun": "All", "fieldValidation": "Strict"}
_NO_BREAK = "\N{NO-BREAK SPACE}"


def check(manifest: Manifest, cluster: Cluster | None) -> None:
    """Refuse what Kubernetes would refuse.

    With a cluster its API server judges, by a dry run that changes nothing; without
    one the field names of the official client do.

    Raises:
        BadManifest: With file and line, what was wanted and what is there.
    """
    items = manifest.data.get("items")
    if manifest.kind.endswith("List") and isinstance(items, list):
        raise bad(
            "a manifest holds one object",
            manifest.name,
            manifest.line("items"),
            wanted="an object, as each of the items is one",
            seen=f"{len(items)} items",
            next="give each item a file of its own, and show them one by one",
        )
    for key in manifest.data:
        if key.startswith(_NO_BREAK):
            raise bad(
                f"{key.strip()[:SHOWN]} is indented with U+00A0",
                manifest.name,
                manifest.line(key),
                wanted="plain spaces",
                seen="no-break spaces, as some web pages have them",
            )
    needed = ["apiVersion", "kind"]
    if not _is_asked(manifest):
        needed.append("metadata")
    for key in needed:
        if key in manifest.data and not manifest.data[key]:
            line = manifest.line(key)
            raise bad(
                f"{key} is empty",
                manifest.name,
                line,
                wanted="its value behind it, or fields indented below it",
                seen=manifest.text.splitlines()[line - 1].strip()[:SHOWN],
            )
        if key not in manifest.data:
            raise bad(
                f"{key} is missing",
                manifest.name,
                1,
                wanted=f"{key} at the top",
                seen=", ".join(map(str, manifest.data))[:SHOWN],
            )
    if not isinstance(manifest.metadata, dict):
        raise bad(
            "metadata has fields",
            manifest.name,
            manifest.line("metadata"),
            wanted="fields, indented below it, as name",
            seen=str(manifest.data["metadata"])[:SHOWN],
        )
    if cluster is not None:
        try:
            served = cluster.catalogue.served()
            _check_kind(manifest, {(each.api_version, each.kind) for each in served})
            _check_by_server(manifest, cluster)
            return
        except (ApiUnreachable, LabMissing):
            pass
        except ApiError as error:
            if not (error.passing or error.passing_at_first):
                raise
    _check_by_client(manifest)


def _is_asked(manifest: Manifest) -> bool:
    """Return whether it is a question, which is not stored and needs no name.

    As SelfSubjectAccessReview is one.
    """
    group = manifest.api_version.rpartition("/")[0]
    questions = ("authentication.k8s.io", "authorization.k8s.io")
    return group in questions and manifest.kind.endswith("Review")


def _check_by_client(manifest: Manifest) -> None:
    """Judge a kind that the client knows; accept one of a group that was added.

    The name of such a group has a dot.
    """
    known = set(schema.models())
    groups = {version.rpartition("/")[0] for version, _ in known}
    group = manifest.api_version.rpartition("/")[0]
    if "." in group and group not in groups:
        return
    _check_kind(manifest, known)
    for problem in schema.problems(manifest.api_version, manifest.data):
        raise _wrong(manifest, problem)


def _check_kind(manifest: Manifest, known: set[tuple[str, str]]) -> None:
    api_version, kind = manifest.api_version, manifest.kind
    if (api_version, kind) in known:
        return
    names = {each for _, each in known}
    versions = sorted(version for version, each in known if each == kind)
    if versions:
        where, wanted, seen = "apiVersion", " or ".join(versions), api_version
    else:
        where, seen = "kind", kind
        cased = [each for each in names if each.lower() == kind.lower()]
        near = cased or difflib.get_close_matches(kind, sorted(names), n=2)
        wanted = " or ".join(near) or "a kind that 'kubectl api-resources' lists"
    raise bad(
        f"Kubernetes does not know this {where}",
        manifest.name,
        manifest.line(where),
        wanted=f"{where}: {wanted}",
        seen=f"{where}: {seen}"[:SHOWN],
        next="kinds begin with a capital; kubectl api-resources lists them",
    )


def _check_by_server(manifest: Manifest, cluster: Cluster) -> None:
    kind = cluster.catalogue.find(manifest.kind, manifest.api_version)
    namespace = str(manifest.metadata.get("namespace") or cluster.namespace)
    try:
        cluster.connection.send(
            "POST", kind.path(namespace), query=_STRICT, body=manifest.data
        )
    except ApiError as error:
        if error.passing:
            raise
        if error.status not in (400, 422) or _is_there(cluster, manifest, error):
            return
        for problem in schema.problems(manifest.api_version, manifest.data):
            raise _wrong(manifest, problem) from error
        path, seen = _complaint(error)
        raise bad(
            "Kubernetes refuses this manifest",
            manifest.name,
            manifest.line(path),
            wanted=f"a valid {path}" if path else "a manifest it understands",
            seen=seen,
            next=f"kubectl explain {kind.kind.lower()} --recursive",
        ) from error


def _wrong(manifest: Manifest, problem: schema.Problem) -> BadManifest:
    return bad(
        problem.what,
        manifest.name,
        manifest.line(problem.path),
        wanted=problem.wanted,
        seen=problem.seen,
        next=f"kubectl explain {manifest.kind.lower()}{problem.below}",
    )


def _is_there(cluster: Cluster, manifest: Manifest, error: ApiError) -> bool:
    """Return whether it is refused only because the object exists already.

    An existing Service holds its own port, so creating it a second time is invalid.
    """
    if error.status != 422:
        return False
    try:
        namespace = manifest.metadata.get("namespace") or cluster.namespace
        name = str(manifest.metadata.get("name"))
        cluster.get(manifest.kind, name, namespace=namespace)
    except ApiError:
        return False
    return "already allocated" in error.message


def _complaint(error: ApiError) -> tuple[str, str]:
    """Return the path an API server complains about, and its words."""
    causes = (error.answer.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("field"):
            return _dotted(cause["field"]), str(cause.get("message", ""))
    found = re.search(r'(?:unknown|duplicate) field "([^"]+)"', error.message)
    path = _dotted(found.group(1)) if found else ""
    return path, found.group(0) if found else error.message


def _dotted(path: str) -> str:
    """Return a server's path with dots alone: items and keys stand in brackets."""
    return re.sub(r"\[([^\]]*)\]", r".\1", path)
