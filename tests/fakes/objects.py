"""API objects as a cluster would show them."""

from __future__ import annotations

from typing import Any


def pod(name: str, **changes: Any) -> dict[str, Any]:
    """Return a Pod object: ready, or as the changes say."""
    ready = changes.get("ready", True)
    state: dict[str, Any] = {"running": {}}
    if changes.get("waiting"):
        ready = False
        state = {"waiting": {"reason": changes["waiting"], "message": "because"}}
    meta: dict[str, Any] = {
        "name": name,
        "labels": changes.get("labels", {"app": "echo"}),
    }
    if changes.get("controller"):
        owner = {
            "kind": "ReplicationController",
            "name": changes["controller"],
            "controller": True,
        }
        meta["ownerReferences"] = [owner]
    if changes.get("terminating"):
        meta["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    restarts = changes.get("restarts", 0)
    end = {"terminated": {"exitCode": 1, "reason": "Error"}}
    return {
        "metadata": meta,
        "spec": {
            "nodeName": changes.get("node", "node1"),
            "containers": [{"name": "echo", "image": "registry.lab/echo:1"}],
        },
        "status": {
            "phase": changes.get("phase", "Running"),
            "podIP": changes.get("ip", "10.244.1.7"),
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {
                    "name": "echo",
                    "image": "registry.lab/echo:1",
                    "imageID": "sha256:1",
                    "ready": ready,
                    "restartCount": restarts,
                    "state": state,
                    "lastState": changes.get("last", end if restarts else {}),
                }
            ],
        },
    }
