"""The bundle: binaries, packages and images that a lab is made of."""

from .bundle import Bundle
from .cache import Artefact
from .versions import Versions

__all__ = ["Artefact", "Bundle", "Versions"]
