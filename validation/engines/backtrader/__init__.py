"""The rules of backtrader, its runs, and the package itself."""
