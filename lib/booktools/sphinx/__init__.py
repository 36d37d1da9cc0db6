"""The web book: what is added to pages when jupyter-book builds them."""
