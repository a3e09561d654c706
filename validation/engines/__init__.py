"""One folder for each engine that tieout is compared with."""
