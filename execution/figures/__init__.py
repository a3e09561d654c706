"""Figures of a run, computed from the tables of its journal."""
