"""Programs that run as fresh processes, each with only the imports that it needs."""
