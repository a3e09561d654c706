"""`tieout compare`: a run of ours beside another engine that is given the same orders."""
