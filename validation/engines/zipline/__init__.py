"""zipline-reloaded: its runs in benchmarks and the columns of its exports."""
