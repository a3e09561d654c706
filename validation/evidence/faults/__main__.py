"""Imported by every child under another name, hence next to nothing here."""

if __name__ == "__main__":
    from tieout.validation.evidence.faults.command import main

    main()
