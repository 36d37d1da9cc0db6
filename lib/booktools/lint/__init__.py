"""What must be true of chapters and of the built pages, as rules that name a place."""
