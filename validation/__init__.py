"""Evidence that takes longer than a test, or needs somebody else's program."""
