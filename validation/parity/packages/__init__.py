"""The packages themselves, each driven on a scenario. Only what is asked for is imported."""
