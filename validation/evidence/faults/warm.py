"""Imported by the server that children are forked from."""

from tieout.validation.evidence.faults.children import warm_up

warm_up()
