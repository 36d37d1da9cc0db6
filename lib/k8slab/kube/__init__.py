"""The lab's Kubernetes cluster: how it is reached, pinned, watched and compared."""
