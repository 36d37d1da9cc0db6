"""The helper library of the book *Kubernetes Is Actually Simple*."""

__version__ = "0.1.0"
