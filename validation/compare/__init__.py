"""The command `tieout compare`: a run's orders in another engine, and every difference."""
