"""One file per source of data: download, read, synthesize."""
