"""Account and cost models of a backtest: one model a file, in the folder of its kind."""
