"""A double-entry ledger that stands alone, from commodities and accounts to sealed statements."""
