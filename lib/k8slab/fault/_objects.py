"""Make, find, change and delete the objects by which a fault acts."""

from __future__ import annotations

from ..errors import ApiError
from ..kube.namespace import LABEL
from ..kube.objects import Object
from ._kind import Place

_MERGE = {"Content-Type": "application/merge-patch+json"}


def write(at: Place, plural: str, body: Object) -> None:
    """Make an object, or replace the one of its name."""
    path = at.cluster.catalogue.find(plural).path(at.name)
    send = at.cluster.connection.send
    try:
        send("PUT", f"{path}/{body['metadata']['name']}", body=body)
    except ApiError as error:
        if error.status != 404:
            raise
        send("POST", path, body=body)


def delete(at: Place, plural: str, name: str) -> None:
    """Delete an object, where it is there."""
    path = at.cluster.catalogue.find(plural).path(at.name, name)
    try:
        at.cluster.connection.send(
            "DELETE", path, query={"propagationPolicy": "Background"}
        )
    except ApiError as error:
        if error.status != 404:
            raise


def find(at: Place, plural: str, name: str) -> Object:
    """Return an object; an empty one where it is not there.

    Raises:
        ApiError: The API server refuses to say, as one does that starts.
    """
    try:
        return at.cluster.get(plural, name, namespace=at.name)
    except ApiError as error:
        if error.status != 404:
            raise
        return {}


def patch(at: Place, path: str, body: Object) -> None:
    """Change the fields of an object that a body names; None removes a field.

    Args:
        at: Where the fault acts.
        path: The object's path in the API.
        body: A merge patch (RFC 7386).

    Raises:
        ApiError: The API server refuses it, or there is no such object.
    """
    at.cluster.connection.send("PATCH", path, body=body, headers=_MERGE)


def of_chapter(name: str, chapter: str) -> Object:
    """Return the metadata of an object in no namespace that belongs to a chapter."""
    return {"name": name, "labels": {LABEL: chapter}}
