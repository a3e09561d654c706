"""A hostile author: journals, specs, fills and names that try to make a command do more than it was asked.

Every command gets every input, in one long-lived process under strace. What the process opened, changed,
started and connected to is read from that log, below Python and DuckDB.
"""
