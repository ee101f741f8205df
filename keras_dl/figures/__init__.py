"""Figures, drawn without any global state."""
