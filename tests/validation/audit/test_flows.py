"""Money that moves without a fill: it ties where its file says it, and is named where it does not."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from attrs import evolve
from typer.testing import CliRunner

from tests.validation.audit.account import DAYS, OPENING, Account, changed, clean
from tieout.execution.errors import ExecutionError
from tieout.ledger.application import application
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import verify
from tieout.validation.audit.audit import Examination, Files, Terms, audit, examine
from tieout.validation.audit.faults import Rules
from tieout.validation.audit.formats import FLOWS
from tieout.validation.audit.reading import read_flows

CLAIMS = ("curve", "positions", "trades")
MOVED: list[tuple[int, float, str, str | None]] = [
    # day, amount, kind, symbol
    (0, 500.0, "deposit", "USD"),
    (3, 1_000.0, "Deposit", None),
    (5, 7.25, "Cash Dividend", "BULL"),
    (5, -1.09, "Withholding Tax", "BULL"),
    (7, -3.5, "fee", None),
    (8, 0.81, "credit interest", None),
    (10, -2_000.0, "withdrawal", None),
    (12, -0.4, "debit interest", None),
    (13, -1.23, "borrow fee", "BULL"),
    (14, -5.5, "dividend", "ACME"),
    (16, 2.22, "other", None),
    (18, -0.77, "", None),
    (19, 0.5, "refund", None),
]
CAPITAL = {"deposit", "withdrawal"}


def day(number: int) -> date:
    return date(2024, 3, 1 + number)


def with_flows(moved: list[tuple[int, float, str, str | None]]) -> tuple[Account, pl.DataFrame]:
    """The clean account whose claims have the money of *moved*, and its file."""
    account, paid, gained = clean(), np.zeros(DAYS), np.zeros(DAYS)
    for on, amount, kind, _ in moved:
        (paid if kind.lower() in CAPITAL else gained)[on] += amount
    curve, all_of_it = account.curve, (paid + gained).cumsum()
    curve = curve.with_columns(
        cash=curve["cash"] + all_of_it,
        equity=curve["equity"] + all_of_it,
        pnl=curve["pnl"] + gained,
        total_pnl=curve["total_pnl"] + gained.cumsum(),
    )
    names = ("timestamp", "amount", "type", "symbol")
    rows = [(day(on), *rest) for on, *rest in moved]
    return evolve(account, curve=curve), pl.DataFrame(rows, names, orient="row")


def files(folder: Path, account: Account, flows: pl.DataFrame, *claims: str, **others: Any) -> Files:
    for name in ("prices", "fills", *claims):
        getattr(account, name).write_csv(folder / f"{name}.csv")
    flows.write_csv(folder / "flows.csv")
    claim_paths = [folder / f"{claim}.csv" for claim in claims]
    return Files(
        folder / "fills.csv", folder / "prices.csv", claim_paths, flows=folder / "flows.csv", **others
    )


def examined(
    folder: Path, account: Account, flows: pl.DataFrame, *claims: str, terms: Terms | None = None
) -> Examination:
    return examine(files(folder, account, flows, *claims), terms or Terms(OPENING))


def test_an_account_with_all_kinds_of_flows_ties_and_its_journal_verifies(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED)
    journal = tmp_path / "kept.duckdb"
    result = audit(files(tmp_path, account, flows, *CLAIMS), Terms(OPENING), journal)

    assert [] == [check.name for check in result.verified.results if check.outcome.value == "FAILED"]
    assert [] == result.findings
    assert result.agrees
    with Reader(journal) as reader:
        assert verify(reader).ok


def test_every_kind_has_accounts_of_its_own(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED)
    books = examined(tmp_path, account, flows).books.booked.journal
    balance = dict(
        zip(
            books.chart.columns(0)["path"], np.asarray(books.books.accounts["balance"]).tolist(), strict=False
        )
    )
    of_ledger = {
        "Equity:Contributions": -(OPENING + 1_500.0 - 2_000.0),
        "Income:Dividends": -7.25,
        "Expenses:DividendsOnShorts": 5.5,
        "Expenses:WithholdingTax": 1.09,
        "Expenses:Fees": 3.0,
        "Income:Interest": -0.81,
        "Expenses:MarginInterest": 0.4,
        "Expenses:BorrowFees": 1.23,
        "Income:Unspecified": -2.22,
        "Expenses:Unspecified": 0.77,
        "Assets:Receivable:Dividends": 0.0,
    }

    assert {path: round(amount * 10**6) for path, amount in of_ledger.items()} == {
        path: balance[path] for path in of_ledger
    }


@pytest.mark.parametrize("row", range(len(MOVED)), ids=[f"{on}: {kind}" for on, _, kind, _ in MOVED])
def test_a_flow_that_is_missing_is_named_with_its_remedy(tmp_path: Path, row: int) -> None:
    account, flows = with_flows(MOVED)
    examination = examined(tmp_path, account, flows.filter(pl.int_range(pl.len()) != row), "curve")
    on, amount, *_ = MOVED[row]
    finding = next(one for one in examination.findings if one.fault.name == "CASH")

    assert (on, round(amount * 100)) == (finding.bar, round(finding.amount * 100))
    assert f"; add a row of {amount:,.2f} to {tmp_path / 'flows.csv'}" in finding.text


def test_without_a_file_of_flows_it_is_the_remedy(tmp_path: Path) -> None:
    account, _ = with_flows(MOVED[1:2])
    finding = account.examined(tmp_path, "curve").findings[0]

    assert "CASH" == finding.fault.name
    assert "; give the payment of 1,000.00 with --flows FILE" in finding.text


def test_a_flow_that_the_claims_do_not_have_is_named(tmp_path: Path) -> None:
    account, _ = with_flows(MOVED[:4])
    _, flows = with_flows(MOVED[:5])
    finding = examined(tmp_path, account, flows, "curve").findings[0]

    assert ("CASH", 7) == (finding.fault.name, finding.bar)
    assert f"; row 5 of {tmp_path / 'flows.csv'} moved -3.50 in the books alone" in finding.text


def test_a_deposit_in_claimed_pnl_is_named(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED[1:3])
    as_gain = account.curve["equity"] - OPENING
    account = evolve(account, curve=account.curve.with_columns(total_pnl=as_gain).drop("pnl"))
    findings = examined(tmp_path, account, flows, "curve").findings

    assert ["PNL"] == [finding.fault.name for finding in findings]
    assert "net of deposits and withdrawals: it includes deposits and withdrawals" in findings[0].text


@pytest.mark.parametrize("claim", ["cash", "equity"])
def test_opening_cash_is_what_was_there_before_the_first_flow(tmp_path: Path, claim: str) -> None:
    account, flows = with_flows(MOVED)
    account = evolve(account, curve=account.curve.select("timestamp", claim, "total_pnl"))
    examination = examined(tmp_path, account, flows, "curve", terms=Terms())

    assert (OPENING, f"from the first {claim} claimed, in {tmp_path / 'curve.csv'}", True) == (
        examination.books.opening,
        examination.opening,
        examination.agrees,
    )


@pytest.mark.parametrize(
    ("when", "amount", "faults"),
    [
        ("2024-03-05T09:00:00", 9_000.0, []),
        ("2024-03-05T11:00:00", 9_000.0, ["NEGATIVE_CASH"]),
        ("2024-03-05", 9_000.0, []),
        ("2024-03-05", -5_000.0, []),
        ("2024-03-05T13:00:00", -5_000.0, []),
        ("2024-03-05T09:00:00", -5_000.0, ["NEGATIVE_CASH"]),
    ],
)
def test_money_counts_from_its_time_within_the_day(
    tmp_path: Path, when: str, amount: float, faults: list[str]
) -> None:
    """A purchase at 10 takes nearly all cash, or more if money arrives in between. A sale follows at 12."""
    quantity = 500.0 if amount > 0 else 350.0
    account = clean([(4, "ACME", quantity), (4, "ACME", -quantity)])
    hours = pl.duration(hours=10 + 2 * pl.int_range(pl.len()))
    account = evolve(account, fills=account.fills.with_columns(pl.col("timestamp").cast(pl.Datetime) + hours))
    examination = examined(tmp_path, account, pl.DataFrame({"timestamp": [when], "amount": [amount]}))

    assert faults == [finding.fault.name for finding in examination.findings]


def test_a_file_without_a_row_moves_nothing(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED)

    assert examined(tmp_path, clean(), flows[:0], *CLAIMS).agrees
    assert not examined(tmp_path, account, flows[:0], *CLAIMS).agrees


def test_what_is_withdrawn_too_much_is_cash_below_zero(tmp_path: Path) -> None:
    account, flows = with_flows([(10, -30_000.0, "withdrawal", None)])

    assert ["NEGATIVE_CASH"] == [f.fault.name for f in examined(tmp_path, account, flows, "curve").findings]
    terms = Terms(OPENING, rules=Rules(allow_negative_cash=True))
    assert examined(tmp_path, account, flows, "curve", terms=terms).agrees


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"amount": None}, "flows.csv, row 2: amount is missing or not finite; complete the row"),
    ({"amount": float("nan")}, "flows.csv, row 2: amount is missing or not finite; complete the row"),
    ({"amount": 0.0}, "flows.csv, row 2: amount is zero; leave out the row"),
    ({"amount": 1e12}, "flows.csv, row 2: amount is too large to be exact to the last unit"),
    (
        {"type": "gift"},
        "flows.csv, row 2: unknown kind 'gift'; write deposit, withdrawal, dividend",
    ),
    (
        {"amount": -1.0},
        "flows.csv, row 2: money is paid, but its kind is a receipt; correct its sign",
    ),
    ({"type": "fee"}, "flows.csv, row 2: money is received, but its kind is a payment; correct its sign"),
    ({"symbol": "ACNE"}, "flows.csv, row 2: there is no price of 'ACNE' in"),
    ({"timestamp": None}, "flows.csv, row 2: timestamp is missing; write it as 2024-03-31"),
    (
        {"timestamp": date(2024, 2, 29)},
        "flows.csv, row 2: money moved at 2024-02-29T00:00:00, before the first bar of",
    ),
    (
        {"timestamp": date(2024, 3, 21)},
        "flows.csv, row 2: money moved at 2024-03-21T00:00:00, after the last bar of",
    ),
]


@pytest.mark.parametrize(("values", "message"), REFUSED)
def test_flows_that_cannot_be_booked_are_refused_with_file_row_and_remedy(
    tmp_path: Path, values: dict[str, object], message: str
) -> None:
    account, flows = with_flows(MOVED)

    with pytest.raises(ExecutionError, match=re.escape(message)):
        examined(tmp_path, account, changed(flows, 1, **values))


def test_columns_of_flows_are_named_as_those_of_others(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED)
    flows = flows.rename({"amount": "sum"}).with_columns(note=pl.lit("as the broker says"))
    files_of_account = files(tmp_path, account, flows, "curve", columns=["flows.amount=sum"])

    assert examine(files_of_account, Terms(OPENING)).agrees
    with pytest.raises(ExecutionError, match=r"no column for 'amount'.*--columns flows.amount=THEIRS"):
        examine(evolve(files_of_account, columns=[]), Terms(OPENING))
    with pytest.raises(ExecutionError, match=f"'price' is not a column of {FLOWS}"):
        examine(evolve(files_of_account, columns=["flows.price=sum"]), Terms(OPENING))


def test_flows_of_parquet_are_those_of_csv_and_need_no_kind(tmp_path: Path) -> None:
    _, flows = with_flows(MOVED)
    flows.write_csv(tmp_path / "flows.csv")
    flows.write_parquet(tmp_path / "flows.parquet")
    one, other = (read_flows(tmp_path / f"flows.{form}", {}) for form in ("csv", "parquet"))
    flows.select("timestamp", "amount").write_csv(tmp_path / "plain.csv")

    for field in ("timestamp", "day", "amount", "kind", "symbol", "row"):
        assert getattr(one, field).tolist() == getattr(other, field).tolist()
    assert {1003} == set(read_flows(tmp_path / "plain.csv", {}).kind.tolist())


def test_the_command_ends_with_0_and_tells_what_moved(tmp_path: Path) -> None:
    account, flows = with_flows(MOVED)
    files(tmp_path, account, flows, "curve")
    options = ("fills", "prices", "claims", "flows")
    names = dict.fromkeys(options) | {"claims": "curve"}
    arguments = [part for o in options for part in (f"--{o}", str(tmp_path / f"{names[o] or o}.csv"))]
    result = CliRunner().invoke(application(), ["audit", *arguments])
    output = " ".join(result.output.split())

    assert 0 == result.exit_code
    assert "13 movements of money without a fill, net flow -500.00, P&L -1.71" in output
    assert "2 of unspecified kind, counted as P&L" in output
    assert "no fault found, all 80 figures tie to the fills" in output


_UNFIT = "cannot be a part of an account's name: a quotation mark, white space or a colon at an end"


@pytest.mark.parametrize(
    ("symbol", "what"),
    [
        ("BRK  B", _UNFIT),
        (":BULL", _UNFIT),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_symbol_that_no_book_can_have_is_refused_with_its_row(
    tmp_path: Path, symbol: str, what: str, form: str
) -> None:
    account = clean()
    prices, path = (
        account.prices.with_columns(pl.col("symbol").replace("BULL", symbol)),
        tmp_path / f"p.{form}",
    )
    getattr(prices, f"write_{form}")(path)
    account.fills.write_csv(tmp_path / "fills.csv")
    message = f"{path}, row 2: symbol '{symbol}' {what} (and in 19 more); rename it in every file"

    with pytest.raises(ExecutionError, match=re.escape(message)):
        examine(Files(tmp_path / "fills.csv", path), Terms(OPENING))
