"""Word vectors, corpora and network weights that others trained: where they are had, and how they are read."""
