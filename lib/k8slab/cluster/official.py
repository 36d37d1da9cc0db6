"""The official client, with the limits that a lab's requests have."""

from __future__ import annotations

from typing import Any

from kubernetes.client import ApiClient

from .connection import CONNECT_S, READ_S


class LabApiClient(ApiClient):  # type: ignore[misc]  # the client has no types
    """The official client with a time limit on every request.

    Its own default is to wait without end.
    """

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; see `ApiClient.request`."""
        if not kwargs.get("_request_timeout"):
            kwargs["_request_timeout"] = (CONNECT_S, READ_S)
        return super().request(*args, **kwargs)
