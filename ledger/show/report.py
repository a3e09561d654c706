"""The printed form of a verification."""

from tieout.ledger.file.verify import FINDINGS_IN_FULL, Opinion, Outcome, Report, Result
from tieout.ledger.terminal import Styled, say

FINDINGS = FINDINGS_IN_FULL + 1
"""Findings of one check that are printed: those of `verify`, and its line that counts the others."""


def show_report(report: Report) -> None:
    """Print each check with the rows it examined, its outcome and its findings, and then the opinion."""
    wide = max(len(result.name) for result in report.results)
    for result in report.results:
        show_result(result, wide)
    show_opinion(report)


def show_result(result: Result, wide: int) -> None:
    """Print one check, with its name *wide* columns wide."""
    is_good = result.outcome in {Outcome.OK, Outcome.NOT_APPLICABLE}
    style = "" if is_good else "bold red"
    say(Styled(result.outcome.value, style, lead=f"{result.name:<{wide}}  {result.examined:>13,}  "))
    if result.outcome is Outcome.FAILED:
        say(f"  {result.title}:")
        say(*(f"    {finding}" for finding in result.findings[:FINDINGS]))
        if (more := len(result.findings) - FINDINGS) > 0:
            say(f"    and {more} more")


def show_opinion(report: Report) -> None:
    """Print the opinion with its reasons, and both digests."""
    failures = sum(result.outcome is Outcome.FAILED for result in report.results)
    reasons = {
        Opinion.UNQUALIFIED: "no check failed",
        Opinion.ADVERSE: f"{failures} of {len(report.results)} checks FAILED",
        Opinion.DISCLAIMER: "the file could not be examined in full",
    }
    say("", f"{report.opinion.value}: {reasons[report.opinion]}; blocks: {report.blocks}")
    say(*(f"  not examined: {gap}" for gap in report.gaps))
    if report.wal:
        say(
            f"verified with {report.wal} beside it: the file alone is another;"
            " `tieout doctor --merge` makes them one"
        )
    say(f"head digest {report.head}  file digest {report.file_digest}")
