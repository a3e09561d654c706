"""The market above the books: bars, orders, fills, costs, accounts and the backtest."""
