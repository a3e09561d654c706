"""A forger: alterations of a sound journal, and whether `verify` or the figures fall for one."""
