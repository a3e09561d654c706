"""Commission models, one a file. A spec can name every model that has a file here."""
