"""The account and cost models that a backtest is given."""
