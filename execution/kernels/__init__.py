"""The bar step and its parts: everything in this room that is compiled, but for the figures."""
