"""Names in SQL: the one function that quotes a name."""


def quoted(name: str) -> str:
    """Return *name* as an identifier of SQL, with any character in it."""
    return '"' + name.replace('"', '""') + '"'
