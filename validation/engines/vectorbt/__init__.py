"""VectorBT 1.2.0: its rules as compiled loops, its scenarios, its exports, and the package itself."""
