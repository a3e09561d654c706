"""One DuckDB file: blocks are stored and sealed, and read back and verified."""
