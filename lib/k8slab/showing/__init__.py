"""What is behind `show`: manifests and their lines, their judges, and drawings."""
