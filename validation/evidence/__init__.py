"""Evidence: comparisons, faults and mutants at full size. No other folder imports it."""
