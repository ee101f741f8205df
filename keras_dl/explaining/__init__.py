"""What speaks for an answer."""
