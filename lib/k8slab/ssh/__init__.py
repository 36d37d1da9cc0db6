"""The machines over SSH: commands, scripts and files, with pinned host keys."""
