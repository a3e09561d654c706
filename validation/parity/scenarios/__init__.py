"""Scenarios as data: what an engine is given, as text, and as something to draw at random."""
