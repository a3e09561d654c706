"""Books whose amounts are near the limits of 64 bits: every sum over several of them is wider."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tieout import Journal, buy, currency, deposit, instrument, sell
from tieout.execution.figures import schedules
from tieout.execution.figures.history import History
from tieout.execution.figures.metrics import metrics
from tieout.execution.records import RECORDS
from tieout.ledger.books.events import dividend, short_sale
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify

MOST = 2**63 - 1
"""The largest amount, in units. The currency below has no decimals, and one unit is one whole."""


def prepared(path: Path | None) -> Journal:
    symbols = [
        currency("JPY", scale=0),
        *(instrument(name, currency="JPY", scale=0) for name in ("UP", "DOWN")),
    ]
    return Journal.create(path, symbols, schemas=[RECORDS])


def hedged(path: Path | None) -> Journal:
    """A position and a short sale, each worth two thirds of the limit. Gross exposure is beyond it."""
    journal = prepared(path)
    size = MOST // 3 * 2
    journal.post("2024-01-02", deposit, "JPY", str(MOST))
    journal.post("2024-01-02", buy, "UP", quantity="1", gross=str(MOST // 3), fee="0")
    journal.post("2024-01-02", short_sale, "DOWN", quantity="1", proceeds=str(MOST // 3), fee="0")
    journal.mark("2024-01-02", {"UP": float(size), "DOWN": float(size)})
    journal.statement("2024-01-02")
    return journal


def lost_and_paid_in_again(path: Path | None) -> Journal:
    """Capital and unrealised losses are each beyond the limit together, and equity is not."""
    journal = prepared(path)
    journal.post("2024-01-02", deposit, "JPY", str(MOST))
    journal.post("2024-01-02", buy, "UP", quantity="1", gross=str(MOST), fee="0")
    journal.mark("2024-01-02", {"UP": 1.0})
    journal.statement("2024-01-02")
    journal.post("2024-01-03", dividend, "UP", str(MOST - 1))
    journal.mark("2024-01-03", {"UP": 1.0})
    journal.statement("2024-01-03")
    return journal


def marked_beyond(path: Path | None) -> Journal:
    """A holding whose value at its last mark is beyond the limit, without a statement."""
    journal = prepared(path)
    journal.post("2024-01-02", deposit, "JPY", "5000")
    journal.post("2024-01-02", buy, "UP", quantity="1000", gross="1000", fee="0")
    journal.mark("2024-01-02", {"UP": 1e17})
    return journal


BOOKS = (hedged, lost_and_paid_in_again, marked_beyond)


@pytest.fixture(params=BOOKS, ids=lambda books: books.__name__)
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reader]:
    path = tmp_path / "limits.duckdb"
    request.param(path).close()
    with Reader(path) as reader:
        yield reader


def test_no_check_fails_at_the_limits(reader: Reader) -> None:
    assert [] == [(result.name, result.findings) for result in verify(reader).results if result.findings]


def test_every_view_answers_at_the_limits(reader: Reader) -> None:
    for view in reader.views:
        assert reader.view(view).table.num_columns > 0, view


def test_gross_exposure_may_exceed_64_bits() -> None:
    with hedged(None) as journal:
        (row,) = journal.sql("from exposure").rows()
        history = History(journal)
        gross = history.exposure.gross.tolist()
        figures = metrics(history, "JPY")

    assert (gross[0], gross[0] > MOST, 0) == (row["gross"], True, row["net"])
    assert row["gross_to_equity"] == figures.average_exposure
    assert gross[0] / MOST == pytest.approx(figures.average_exposure, rel=1e-15)


def test_a_value_beyond_64_bits_is_exact() -> None:
    with marked_beyond(None) as journal:
        (row,) = journal.sql("from position").rows()

    assert (Decimal(10**20), Decimal(10**20 - 1_000)) == (row["market_value"], row["unrealized_pnl"])


def test_a_trade_may_be_longer_than_64_bits_of_nanoseconds() -> None:
    with prepared(None) as journal:
        journal.post("1678-01-01", deposit, "JPY", "100")
        journal.post("1678-01-01", buy, "UP", quantity="1", gross="100", fee="0")
        journal.post("2262-01-01", sell, "UP", quantity="1", proceeds="110", fee="0")
        (row,) = journal.sql("from trade").rows()
        trades = schedules.trades(History(journal))

    assert 213_301.0 == row["days"] == trades["days"][0]
