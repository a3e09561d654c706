"""The strategy of a backtest: its base class, its broker, its loop, and programs over whole arrays."""
