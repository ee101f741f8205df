"""Slices of the test part: what is known of each example, cut into levels, and how good the answers are in each."""
