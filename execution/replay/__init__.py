"""The description of a run, and the comparison with the same run performed again."""
