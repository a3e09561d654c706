"""Backtrader 1.9.78.123: its rules as compiled loops, its scenarios, its exports, and the package itself."""
