"""Figures that are computed from the tables of a journal."""
