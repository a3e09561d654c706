"""`python -m tieout` runs the command `tieout`."""

from tieout.ledger.cli import main

main()
