"""From machines that answer on SSH to a cluster that works."""
