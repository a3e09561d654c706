"""A run for each known difference between the rules of tieout and Backtrader."""

from tests.support.native_runs import CUT, FREE, NAN, run
from tieout import Costs

CASES = {
    "the submission check": lambda: run("0 A +101", {"A": [10, 9, 9]}),
    "the closing leg of a flip": lambda: run("0 A -10\n1 A +110", {"A": [10, 10, 11, 11]}, account=FREE),
    "cut or refused": lambda: run("0 A +150", {"A": [10, 10, 10]}, account=CUT),
    "selling more than the position": lambda: run("0 A -1", {"A": [10, 10, 10]}),
    "slippage of a limit order": lambda: run(
        "0 A +1 limit 10", {"A": [10, 9, 9]}, costs=Costs(slippage="0.01")
    ),
    "an old bar": lambda: run("0 A +1 limit 10", {"A": [10, NAN, 9], "B": [5, 5, 5]}),
    "no bar": lambda: run("0 A +1\n1 A +1", {"A": [10, NAN, 10, 10], "B": [5, 5, 5, 5]}),
    "limits and stops at the same close": lambda: run(
        "0 A +1 limit 10", {"A": [10, (9, 8), 9]}, fill="same_close"
    ),
    "the path within a bar": lambda: run(
        "0 B +60\n1 A +80 limit 8\n1 B -60 limit 9",
        {"A": [10, 10, (10, 8), 8], "B": [8, 8, (8, 9.5), 8]},
    ),
}
PACKAGE_ONLY = {"an old bar"}
"""Rules that the imitation does not show, but the package does."""
