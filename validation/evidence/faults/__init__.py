"""Faults that a journal has to survive, made on purpose: kills, cuts, flipped bits, swaps, a full disk.

    python -m tieout.validation.evidence.faults [--seed N] [--share 0.1]

Every trial performs the run of `program`, or damages what it left, and compares what can be read afterwards
with what was acknowledged and with the undisturbed run. Exits 1 if an acknowledged block is lost, if
anything is wrong without being noticed, or if a resumed run ends with another head digest.
"""
