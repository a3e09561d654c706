"""An audit from files to findings: read, book, verify, compare."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import field, frozen

from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import Report, verify
from tieout.validation.audit.books import Books, Costs, book_fills, opening_cash, place
from tieout.validation.audit.faults import Finding, Rules, merge, of_fills
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
from tieout.validation.audit.signatures import Suspicion, without_symptoms
from tieout.validation.audit.ties import Tie, compare

HALF_A_CENT = 0.005


@frozen
class Files:
    """Files to audit, the format of fills and claims, and renamed columns such as ``fills.price=px``.

    *flows* holds money that moved without a fill.
    """

    fills: Path
    prices: Path
    claims: Sequence[Path] = ()
    form: str | None = None
    columns: Sequence[str] = ()
    flows: Path | None = None


@frozen
class Terms:
    """Terms of an audit: opening cash (None: from the claims), commission, rules, and tolerance."""

    cash: float | None = None
    costs: Costs = field(factory=Costs)
    rules: Rules = field(factory=Rules)
    tolerance: float = HALF_A_CENT


@frozen(eq=False)
class Examination:
    """Result of an audit: the *books*, the source of the *opening* cash, the ties, and the findings."""

    books: Books
    opening: str
    ties: list[Tie]
    findings: list[Finding]

    @property
    def agrees(self) -> bool:
        """True without a fault and without a claim that differs."""
        return not self.findings and all(tie.agrees for tie in self.ties)


@frozen(eq=False)
class Audit(Examination):
    """An examination whose journal was verified. *journal* is the file it is saved in, if any."""

    verified: Report
    journal: Path | None

    @property
    def agrees(self) -> bool:
        """True without a fault, a claim that differs, or a failed check of the journal."""
        return super().agrees and self.verified.ok


def audit(files: Files, terms: Terms, journal: Path | None = None) -> Audit:
    """Examine *files*, verify the books, and save them in the new file *journal* if it is given."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.duckdb"
        result = examine(files, terms, path)
        with Reader(path) as reader:
            report = verify(reader)
        if journal is not None:
            _save(path, journal)
    return Audit(result.books, result.opening, result.ties, result.findings, report, journal)


def _save(path: Path, journal: Path) -> None:
    """Copy the finished books to *journal*, which must not exist."""
    try:
        with path.open("rb") as source, journal.open("xb") as target:
            shutil.copyfileobj(source, target)
    except FileExistsError:
        raise AuditRefused(f"{journal} exists already; name a new file") from None


def _require(terms: Terms) -> None:
    """Refuse terms that are not finite, or are negative where that makes no sense."""
    lowest = {"--tolerance": terms.tolerance, "--slippage": terms.rules.slippage}
    costs = {"--commission-rate": terms.costs.rate, "--per-unit": terms.costs.per_unit}
    for name, value in (*lowest.items(), *costs.items(), ("--per-fill", terms.costs.per_fill)):
        if not math.isfinite(value) or (name in lowest and value < 0):
            raise AuditRefused(f"{name} is {value}; give a number{' of zero or more' * (name in lowest)}")


def examine(files: Files, terms: Terms, journal: Path | None = None) -> Examination:
    """Book the fills of *files*, in memory or in the new file *journal*, and compare the claims."""
    _require(terms)
    columns = mapping(files.columns)
    if files.form is not None and files.form not in FORMATS:
        raise AuditRefused(f"there is no format {files.form!r}; there are {', '.join(FORMATS)}")
    prices = read_prices(files.prices, columns["prices"])
    fills = read_fills(files.fills, files.form, columns["fills"])
    require_claimed(files.claims, columns["claims"])
    claims = [read_claims(path, files.form or fills.form, columns["claims"]) for path in files.claims]
    flows = None if files.flows is None else read_flows(files.flows, columns["flows"])
    fills_at_bars = place(fills, prices, terms.costs, flows)
    cash, opening = terms.cash, "from --cash"
    if cash is None:
        cash, opening = opening_cash(fills_at_bars, prices, claims)
    if not 0 <= cash < math.inf:
        raise AuditRefused(
            f"{fills.name}: opening cash is {cash:,.2f}, {opening}; give zero or more with --cash"
        )
    books = book_fills(fills_at_bars, prices, cash, journal)
    if journal is not None:
        books.booked.journal.close()
    ties = [tie for claim in claims for tie in compare(books, claim, terms.tolerance)]
    suspicion = Suspicion(books, ties, terms.tolerance)
    of_claims = without_symptoms(list(suspicion.findings()))
    findings = merge(books, [*of_fills(books, terms.rules, terms.tolerance), *of_claims])
    return Examination(books, opening, ties, findings)
