"""How large an amount may be. Apart from the arithmetic, so that a reader compiles nothing."""

MAX_AMOUNT = 2**63 - 1
"""The largest amount and the largest balance: what int64 holds."""
