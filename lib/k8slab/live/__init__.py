"""The machinery of live views: what `widgets` shows while a cell runs."""
