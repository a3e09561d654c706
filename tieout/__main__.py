"""The command `tieout`, which ``python -m tieout`` runs as well."""

from tieout.ledger.imports import leave_current_folder


def main() -> None:
    """Run the command. It imports nothing from the current folder."""
    leave_current_folder()
    from tieout.ledger.application import main as run

    run()


if __name__ == "__main__":
    main()
