"""The sections of the benchmark: each has `measure(rounds, quick)`, which returns rows of one kind."""
