"""`python -m tieout` runs the command `tieout`."""

from tieout.ledger.application import main

main()
