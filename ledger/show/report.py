"""The printed form of a verification."""

from tieout.ledger.file.verify import FINDINGS_IN_FULL, Outcome, Report
from tieout.ledger.show.terminal import Styled, say

FINDINGS = FINDINGS_IN_FULL + 1
"""Findings of one check that are printed: those of `verify`, and its line that counts the others."""


def show_report(report: Report) -> None:
    """Print the rows that each check examined and its outcome, and the findings of a failed one."""
    wide = max(len(result.name) for result in report.results)
    for result in report.results:
        has_failed = result.outcome is Outcome.FAILED
        style = "bold red" if has_failed else ""
        say(Styled(result.outcome.value, style, lead=f"{result.name:<{wide}}  {result.examined:>13,}  "))
        if has_failed:
            say(f"  {result.title}:")
            say(*(f"    {finding}" for finding in result.findings[:FINDINGS]))
            if (more := len(result.findings) - FINDINGS) > 0:
                say(f"    and {more} more")
