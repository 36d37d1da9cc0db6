"""The lab's Kubernetes cluster: how it is reached, guarded, watched and compared."""
