"""What a server writes down, and what is read from it."""
