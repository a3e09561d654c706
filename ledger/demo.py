"""A month of an investment account, booked by hand: ``python -m ledger.demo [FILE]``.

The books go to a new FILE, or to ``build/demo.duckdb``, which is made anew each time. Whoever runs
it gets the same head digest, because the same books have the same seals.
"""

import sys
from pathlib import Path

from ledger import (
    Journal,
    Reader,
    buy,
    cover,
    currency,
    deposit,
    dividend,
    dividend_payment,
    exchange,
    instrument,
    present,
    sell,
    short_sale,
    split,
    valuation,
)
from ledger.errors import LedgerError
from ledger.verify import verify

DEFAULT = Path("build/demo.duckdb")
MONTH_END = "2024-01-31"
CLOSES = {"ACME": ("26", 62.5), "GLOBEX": ("-10", 38.25)}
"""What is held at the end of the month, and the last price of each."""
STATEMENTS = ("trial_balance", "income_statement", "position")


def book(journal: Journal) -> None:
    """Post the month."""
    journal.post("2024-01-02", deposit, "USD", "100000", note="opening capital")
    journal.post("2024-01-03", buy, "ACME", quantity="10", gross="1000", fee="1")
    journal.post("2024-01-04", buy, "ACME", quantity="15", gross="1545", fee="1")
    journal.post("2024-01-09", sell, "ACME", quantity="12", proceeds="1440", fee="1")
    journal.post("2024-01-11", short_sale, "GLOBEX", quantity="30", proceeds="1200", fee="1")
    journal.post("2024-01-16", cover, "GLOBEX", quantity="20", gross="740", fee="1")
    journal.post("2024-01-18", dividend, "ACME", "6.50", note="0.50 a share, ex date")
    journal.post("2024-01-19", exchange, "EUR", "5000", "USD", "5440.25")
    journal.post("2024-01-22", split, "ACME", 2, 1, note="two for one")
    journal.post("2024-01-25", dividend_payment, "USD", "6.50", tax="0.98")
    journal.mark(MONTH_END, {symbol: price for symbol, (_, price) in CLOSES.items()})
    for symbol, (quantity, price) in CLOSES.items():
        journal.post(MONTH_END, valuation, symbol, journal.notional(symbol, quantity, price))
    journal.statement(MONTH_END)


def main(path: Path) -> bool:
    """Make the books in *path*, print what they say, and check them; whether they are in order."""
    commodities = [currency("USD"), currency("EUR"), instrument("ACME"), instrument("GLOBEX")]
    print(f"Booking a month by hand into {path}; the first time, posting is compiled.\n")
    with Journal.create(path, commodities) as journal:
        book(journal)
    with Reader(path) as reader:
        for name in STATEMENTS:
            title = f"{name.replace('_', ' ').capitalize()}, {MONTH_END}"
            present.write(reader.view(name), "table", present.places(reader), title)
            print()
        report = verify(reader)
    present.show_report(report)
    print(f"\nhead digest {report.head}")
    return report.ok


if __name__ == "__main__":
    if not sys.argv[1:]:
        DEFAULT.parent.mkdir(exist_ok=True)
        for left in (DEFAULT, DEFAULT.with_name(f"{DEFAULT.name}.wal")):
            left.unlink(missing_ok=True)
    try:
        sys.exit(not main(Path(sys.argv[1]) if sys.argv[1:] else DEFAULT))
    except LedgerError as error:
        sys.exit(f"tieout: {error}")
