"""Faults that a journal has to survive, made on purpose: kills, cuts, flipped bits, swaps, a full disk.

    python -m tieout.validation.evidence.faults [--seed N] [--share 0.1]

Every trial performs a run of `program` or damages its file. Then it compares the readable contents with the
acknowledged blocks and with the undisturbed run. The command exits 1 if an acknowledged block is lost, if an
error is silent, or if a resumed run ends with another head digest.
"""
