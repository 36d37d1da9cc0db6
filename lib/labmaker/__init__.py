"""Makes, revives and removes labs; the command ``k8slab``."""
