"""Programs that are started as fresh processes, each with what it needs and nothing else."""
