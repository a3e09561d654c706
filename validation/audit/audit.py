"""An audit from files to findings: read, booked, verified, tied."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import field, frozen

from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import Report, verify
from tieout.validation.audit.books import Books, Costs, booked, opening_of, placed
from tieout.validation.audit.faults import Finding, Rules, merged, of_fills
from tieout.validation.audit.formats import FORMATS
from tieout.validation.audit.reading import (
    AuditRefused,
    mapping,
    read_claims,
    read_fills,
    read_flows,
    read_prices,
    require_claimed,
)
from tieout.validation.audit.signatures import Suspicion, named
from tieout.validation.audit.ties import Tie, tied

HALF_A_CENT = 0.005


@frozen
class Files:
    """What is audited: the files, the format of fills and claims, and columns as ``fills.price=px``.

    *flows* is of money that moved without a fill.
    """

    fills: Path
    prices: Path
    claims: Sequence[Path] = ()
    form: str | None = None
    columns: Sequence[str] = ()
    flows: Path | None = None


@frozen
class Terms:
    """How: opening cash (None: by the claims), commission, what is allowed, and how near is equal."""

    cash: float | None = None
    costs: Costs = field(factory=Costs)
    rules: Rules = field(factory=Rules)
    tolerance: float = HALF_A_CENT


@frozen(eq=False)
class Examination:
    """What came of it: the *books*, where the *opening* cash is from, what ties, and what is wrong."""

    books: Books
    opening: str
    ties: list[Tie]
    findings: list[Finding]

    @property
    def agrees(self) -> bool:
        """Whether there is nothing wrong: no fault, and no claim that departs."""
        return not self.findings and all(tie.agrees for tie in self.ties)


@frozen(eq=False)
class Audit(Examination):
    """The same, with what the checks of the journal say; *journal* is where it is kept."""

    verified: Report
    journal: Path | None

    @property
    def agrees(self) -> bool:
        """Whether there is nothing wrong, in the journal neither."""
        return super().agrees and self.verified.ok


def audit(files: Files, terms: Terms, journal: Path | None = None) -> Audit:
    """Examine *files* in books that are kept in the file *journal*, and verify it."""
    with TemporaryDirectory() as folder:
        kept = Path(folder) / "audit.duckdb"
        found = examine(files, terms, kept)
        with Reader(kept) as reader:
            verified = verify(reader)
        if journal is not None:
            _keep(kept, journal)
    return Audit(found.books, found.opening, found.ties, found.findings, verified, journal)


def _keep(made: Path, journal: Path) -> None:
    """Put the finished books where they are wanted, and nothing there that is not finished."""
    try:
        with made.open("rb") as source, journal.open("xb") as target:
            shutil.copyfileobj(source, target)
    except FileExistsError:
        raise AuditRefused(f"{journal} exists already; name a file for the books that does not") from None


def _require(terms: Terms) -> None:
    """Refuse terms that no figure could break, or none could keep."""
    lowest = {"--tolerance": terms.tolerance, "--slippage": terms.rules.slippage}
    costs = {"--commission-rate": terms.costs.rate, "--per-unit": terms.costs.per_unit}
    for name, given in (*lowest.items(), *costs.items(), ("--per-fill", terms.costs.per_fill)):
        if not math.isfinite(given) or (name in lowest and given < 0):
            raise AuditRefused(f"{name} is {given}; give a number{' of zero or more' * (name in lowest)}")


def examine(files: Files, terms: Terms, journal: Path | None = None) -> Examination:
    """Book the fills of *files* and tie the claims to the books; in memory, or in the new file *journal*."""
    _require(terms)
    columns = mapping(files.columns)
    if files.form is not None and files.form not in FORMATS:
        raise AuditRefused(f"there is no format {files.form!r}; there are {', '.join(FORMATS)}")
    prices = read_prices(files.prices, columns["prices"])
    fills = read_fills(files.fills, files.form, columns["fills"])
    require_claimed(files.claims, columns["claims"])
    claims = [read_claims(path, files.form or fills.form, columns["claims"]) for path in files.claims]
    flows = None if files.flows is None else read_flows(files.flows, columns["flows"])
    there = placed(fills, prices, terms.costs, flows)
    cash, opening = terms.cash, "as given"
    if cash is None:
        cash, opening = opening_of(there, prices, claims)
    if not 0 <= cash < math.inf:
        raise AuditRefused(
            f"{fills.name}: opening cash is {cash:,.2f}, {opening}; give what there was with --cash"
        )
    books = booked(there, prices, cash, journal)
    if journal is not None:
        books.booked.journal.close()
    ties = [tie for claim in claims for tie in tied(books, claim, terms.tolerance)]
    suspicion = Suspicion(books, ties, terms.tolerance)
    found = named(list(suspicion.findings()))
    findings = merged(books, [*of_fills(books, terms.rules, terms.tolerance), *found])
    return Examination(books, opening, ties, findings)
