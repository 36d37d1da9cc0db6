"""Where things of the project are."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "bundle"
SHARED_BOOK = "K8SLAB_TESTS_BOOK"
"""A variable that names where the steps of 'make test' share one web book."""
K8SLAB = ROOT / ".venv" / "bin" / "k8slab"
