"""The strategy's side of a backtest: the strategy, its broker, and programs of whole arrays."""
