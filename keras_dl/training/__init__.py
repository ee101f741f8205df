"""From decoded examples to trained weights."""
