"""Kinds of output: everything that depends on the kind; `labelled`, `ranked`, `interval` hold what several share."""
