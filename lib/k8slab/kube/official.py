"""The official client, with the limits that a lab's requests have."""

from __future__ import annotations

from typing import Any

from kubernetes.client import ApiClient


class LabApiClient(ApiClient):  # type: ignore[misc]  # the client has no types
    """The official client with a time limit on every request.

    Its own default is to wait without end.

    Args:
        timeout: Seconds to connect, and seconds between two answers.
        args: What `ApiClient` takes.
        kwargs: What `ApiClient` takes.
    """

    def __init__(self, *args: Any, timeout: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = timeout

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Send a request; see `ApiClient.request`."""
        if not kwargs.get("_request_timeout"):
            kwargs["_request_timeout"] = self._limits
        return super().request(*args, **kwargs)
