"""One file per data set: read, synthesize, download."""
