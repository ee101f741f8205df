"""Numbers that say how good answers are: NumPy alone."""
