"""The description of a run, and its comparison with a run performed again."""
