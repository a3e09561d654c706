"""Benchmarks: always as a ratio against a peer in the same run, rounds in turn, medians."""
