"""JupyterLab as a place for the book: its first page, and how it saves chapters."""
