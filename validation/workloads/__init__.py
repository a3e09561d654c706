"""Workloads of known size, their reference results, and the tables that report them."""
