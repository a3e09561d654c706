"""The runs of ml4t in benchmarks."""
