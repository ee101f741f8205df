"""Architectures that read texts."""
