"""The engines that tieout is compared with, one folder each. Their files have the same names."""
