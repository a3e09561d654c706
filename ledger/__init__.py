"""A double-entry ledger that stands on its own: commodities, accounts, transfers, lots, seals, statements."""
