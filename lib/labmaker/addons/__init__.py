"""Add-ons of a lab: parts of a cluster that are enabled when they are needed."""

from __future__ import annotations

from .base import AddOn
from .catalogue import ADDONS, find
from .work import Listed, disable, enable, listing, resume

__all__ = [
    "ADDONS",
    "AddOn",
    "Listed",
    "disable",
    "enable",
    "find",
    "listing",
    "resume",
]
