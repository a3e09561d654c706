"""A run for each known difference between the rules of tieout and VectorBT."""

from tests.support.native_runs import CUT, FINE, FREE, NAN, run

CASES = {
    "the last fraction": lambda: run("0 A +150", {"A": [7, 7, 7]}, account=CUT),
    "an unlimited account": lambda: run("0 A +150", {"A": [10, 10]}, account=FREE),
    "dust": lambda: run("0 A +0.00000001", {"A": [10, 10]}, instruments=FINE),
    "no volume": lambda: run("0 A +1", {"A": [10, 10, 10]}, volume=[1, 0, 1]),
    "the end of an instrument": lambda: run("0 A +1", {"A": [10, 11, NAN], "B": [5, 5, 5]}),
}
