"""The orders, fills and cash of any engine or broker in one form, and as a journal."""
