"""Names in SQL: the one function that quotes a name."""


def quoted(name: str) -> str:
    """Return *name* as an identifier of SQL, whatever its characters are."""
    return '"' + name.replace('"', '""') + '"'
