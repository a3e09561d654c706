"""Views and traces of a journal, as a terminal shows them."""
