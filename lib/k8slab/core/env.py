"""Read the environment; nothing else in the package does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

DEFAULT_LAB = "default"
"""The lab that is meant when nobody names one."""


@dataclass(frozen=True)
class Environment:
    """What the environment says; read here and nowhere else.

    Attributes:
        home: ``K8SLAB_HOME``: the folder of all labs.
        cache: ``K8SLAB_CACHE``: the folder of the bundle.
        lab: ``K8SLAB_LAB``: the lab that commands and chapters mean.
        provider: ``K8SLAB_PROVIDER``: what provides a new lab's machines; or empty,
            for what is found on this computer.
        required: ``K8SLAB_REQUIRED=1``: a chapter's missing need is a failure.
        notebook: ``JPY_SESSION_NAME``: the notebook that JupyterLab runs; or empty.
        recorded: Whether the reader's progress is kept; ``K8SLAB_RECORD=0`` says no.
    """

    home: Path
    cache: Path
    lab: str
    provider: str
    required: bool
    notebook: str = ""
    recorded: bool = False

    @classmethod
    def read(cls) -> Environment:
        """Read the environment as it is now."""
        get = os.environ.get
        return cls(
            home=Path(get("K8SLAB_HOME") or platformdirs.user_state_path("k8slab")),
            cache=Path(get("K8SLAB_CACHE") or platformdirs.user_cache_path("k8slab")),
            lab=get("K8SLAB_LAB") or DEFAULT_LAB,
            provider=get("K8SLAB_PROVIDER") or "",
            required=get("K8SLAB_REQUIRED") == "1",
            notebook=get("JPY_SESSION_NAME") or "",
            recorded=get("K8SLAB_RECORD") != "0",
        )
