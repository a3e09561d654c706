"""The bounds of amounts, in a module without kernels, so that a reader compiles nothing."""

MAX_AMOUNT = 2**63 - 1
"""The largest amount and the largest balance: the largest int64."""
