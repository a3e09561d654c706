"""The market on top of the books: what the simulator records beside the journal."""
