"""One recipe file per family of tasks; nothing here imports another."""
