"""The books in memory: commodities, accounts, lots, and the compiled events that post to them."""
