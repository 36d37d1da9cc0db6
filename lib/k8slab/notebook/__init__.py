"""What a notebook's kernel gets: completion, short errors, phases as a table."""
