"""Where things of the project are."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "bundle"
K8SLAB = ROOT / ".venv" / "bin" / "k8slab"
