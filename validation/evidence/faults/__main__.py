"""The command. Every child imports this module under another name, so it is short."""

if __name__ == "__main__":
    from tieout.validation.evidence.faults.command import main

    main()
