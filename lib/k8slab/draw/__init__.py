"""The drawings that `show` and `widgets` show, each with its words beside it."""
