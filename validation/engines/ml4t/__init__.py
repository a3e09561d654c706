"""ml4t-backtest: its runs in benchmarks and the columns of its exports."""
