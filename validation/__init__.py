"""Evidence that takes longer than a test, or needs another program."""
