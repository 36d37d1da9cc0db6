"""Machines: what they are, who provides them, and how they are reached."""
