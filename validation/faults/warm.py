"""Imported by the server that children are forked from."""

from validation.faults.children import warm_up

warm_up()
