"""The command. The worker is another module, so this one is short."""

if __name__ == "__main__":
    from tieout.validation.evidence.author.command import main

    main()
