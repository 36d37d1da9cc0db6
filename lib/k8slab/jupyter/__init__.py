"""What makes JupyterLab a good place for the book: errors, completion, first page."""
