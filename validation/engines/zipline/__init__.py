"""The runs of zipline in benchmarks."""
