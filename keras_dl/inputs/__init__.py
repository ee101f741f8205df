"""Kinds of input: each file owns everything that depends on the kind."""
