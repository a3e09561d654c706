"""tieout as a contestant in benchmarks."""
