"""Kinds of output: each file owns everything that depends on the kind."""
