"""What a server answers to."""
