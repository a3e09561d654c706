"""The commands of this room: run, reperform."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
