"""The runs of tieout in benchmarks."""
