"""Measurements of the lab, each with its peer or its naive self in the same run."""
