"""Preparation of the server from which the children are forked."""

from tieout.validation.evidence.faults.children import warm_up

warm_up()
