"""Backtests described in a TOML file."""
