"""Imported by every child under another name, hence next to nothing here."""

if __name__ == "__main__":
    from validation.faults.command import main

    main()
