"""What adapting a run to a set from elsewhere takes: reading the set, other statistics, the new directory."""
