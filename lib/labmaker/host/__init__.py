"""This computer: whether it can carry a lab, and what keeps a lab's packets on it."""
