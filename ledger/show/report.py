"""The printed form of a verification."""

from rich.text import Text

from tieout.ledger.file.verify import FINDINGS_IN_FULL, Outcome, Report
from tieout.ledger.show.tables import show

FINDINGS = FINDINGS_IN_FULL + 1
"""Findings of one check that are printed: those of `verify`, and its line that counts the others."""


def show_report(report: Report) -> None:
    """Print the rows that each check examined and its outcome, and the findings of a failed one."""
    wide = max(len(result.name) for result in report.results)
    for result in report.results:
        has_failed = result.outcome is Outcome.FAILED
        outcome = Text(result.outcome.value, "bold red" if has_failed else "")
        show(Text(f"{result.name:<{wide}}  {result.examined:>13,}  ") + outcome)
        if has_failed:
            show(f"  {result.title}:")
            show(*(f"    {finding}" for finding in result.findings[:FINDINGS]))
            if (more := len(result.findings) - FINDINGS) > 0:
                show(f"    and {more} more")
