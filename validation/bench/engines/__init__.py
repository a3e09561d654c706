"""One module an engine, each run in a process of its own.

What is here for other engines imports nothing but the standard library, NumPy and that engine, so that it
works in an interpreter that has no tieout.
"""
