"""Whole random sequences, against books kept another way and against SQL.

Nothing is compared with a tolerance: running balances, the transfers refolded in SQL and the oracle's books
are the same numbers.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from tests.support import generators, naive
from tests.support.generators import Action, CloseYear, Commit, Event, Post, Reverse, Setting
from tests.support.oracle import Oracle, Refused
from tieout.ledger.books import events
from tieout.ledger.books.kinds import KINDS
from tieout.ledger.errors import LedgerError
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

pytestmark = pytest.mark.long

FIRST_DAY: np.datetime64 = np.datetime64("2024-01-01", "ns")
ONE_DAY = np.timedelta64(1, "D")
BY_NAME = {commodity.symbol: commodity for commodity in generators.COMMODITIES}


def open_books(setting: Setting, path: Path | None = None) -> Journal:
    policies = Policies(setting.relief, setting.free, setting.block_transfers)
    journal = Journal.create(path, generators.COMMODITIES, Run(policies=policies))
    for account, floored in generators.OWN_ACCOUNTS:
        journal.open_account(account, floored=floored)
    return journal


def oracle_for(setting: Setting) -> Oracle:
    instruments = {c.symbol: c.currency for c in generators.COMMODITIES if not c.is_currency}
    floors = [path for path, floored in generators.OWN_ACCOUNTS if floored]
    return Oracle(instruments, setting.relief, setting.free, floors)


def user_arguments(event: Event) -> list[object]:
    """Return the arguments of an event as a user writes them: decimals for units."""
    if event.name == "transfer":
        debit, credit, units, symbol = event.args
        return [debit, credit, BY_NAME[str(symbol)].decimal(int(str(units))), symbol]
    arguments: list[object] = []
    commodity = BY_NAME["USD"]
    for kind, value in zip(generators.EVENTS[event.name], event.args, strict=True):
        if kind in {"currency", "share", "future"}:
            commodity = BY_NAME[str(value)]
            arguments.append(value)
        elif kind in {"units", "signed units"}:
            arguments.append(commodity.decimal(int(str(value))))
        elif kind in {"flag", "lot", "ratio"}:
            arguments.append(value)
        else:
            arguments.append(BY_NAME[commodity.currency].decimal(int(str(value))))
    return arguments


class Clock:
    """A clock that turns days between actions into moments. A refused action does not move it."""

    def __init__(self) -> None:
        self.now: np.datetime64 = FIRST_DAY

    def after(self, days: int) -> np.datetime64:
        return self.now + days * ONE_DAY


def perform(journal: Journal, action: Action, when: np.datetime64) -> None:
    match action:
        case Post(_, posted):
            with journal.transaction(when) as transaction:
                for event in posted:
                    if event.name == "transfer":
                        debit, credit, amount, symbol = user_arguments(event)
                        transaction.transfer(str(debit), str(credit), amount, str(symbol))  # type: ignore[arg-type]
                    else:
                        transaction.book(getattr(events, event.name), *user_arguments(event))
        case Reverse(_, number):
            journal.reverse(number, when)
        case CloseYear():
            journal.close_year(when)
        case Commit():
            journal.commit()


def expect(oracle: Oracle, action: Action, when: np.datetime64) -> None:
    time = int(when.astype(np.int64))
    match action:
        case Post(_, posted):
            oracle.post(time, *posted)
        case Reverse(_, number):
            oracle.reverse(time, number)
        case CloseYear():
            oracle.close_year(time)


def play(journal: Journal, oracle: Oracle, clock: Clock, actions: list[Action]) -> list[Action]:
    """Perform everything in both and return the accepted actions. Both refuse the same and change nothing."""
    accepted: list[Action] = []
    for action in actions:
        when = clock.after(0 if isinstance(action, Commit) else action.days)
        before = naive.contents(journal)
        reasons: set[str] = set()
        try:
            expect(oracle, action, when)
        except Refused as error:
            reasons = error.reasons
        try:
            perform(journal, action, when)
        except LedgerError as error:
            refusal = type(error).__name__
            assert refusal in reasons, (action, reasons, error)  # noqa: PT017  which action is refused is drawn
            assert before == naive.contents(journal), action
        else:
            assert set() == reasons, action
            accepted.append(action)
            clock.now = when
        assert oracle.balances == naive.balances(journal), action
    return accepted


def agree(journal: Journal, oracle: Oracle) -> None:
    """Assert that arrays, SQL and oracle agree, and that no check finds anything."""
    keys = [(i, side) for i in oracle.currency_of for side in naive.SIDES]
    queues = {key: [lot.signed for lot in oracle.queue(*key)] for key in keys}
    queues = {key: lots for key, lots in queues.items() if lots}

    assert oracle.balances == naive.balances(journal)
    assert oracle.balances == naive.balances_of_transfers(journal)
    assert queues == naive.open_lots(journal)
    assert naive.by_number(queues) == naive.stored_lots(journal)
    assert [] == journal.sql("from proof").rows()


def total_by_commodity(balances: naive.Balances) -> Counter[str]:
    total: Counter[str] = Counter()
    for (_, commodity), amount in balances.items():
        total[commodity] += amount
    return total


@contextmanager
def a_file() -> Iterator[Path]:
    """Make a new path for a journal in each example, where a fixture would be shared by all."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "books.duckdb"


def test_every_event_is_drawn_and_every_event_has_a_second_opinion() -> None:
    names = {event.__name__ for event in KINDS}

    assert names == generators.EVENTS.keys()
    assert set() == {name for name in names if not hasattr(oracle_for(Setting("fifo", 5, frozenset())), name)}


@given(generators.SETTINGS, generators.SEQUENCES)
def test_books_in_arrays_in_sql_and_kept_another_way_agree(setting: Setting, actions: list[Action]) -> None:
    with open_books(setting) as journal:
        oracle = oracle_for(setting)
        play(journal, oracle, Clock(), actions)

        agree(journal, oracle)
        assert not any(total_by_commodity(naive.balances_of_transfers(journal)).values())
        assert not any(total_by_commodity(oracle.balances).values())
        for symbol, money in oracle.currency_of.items():
            carried = [f"Assets:Positions:{symbol}", f"Liabilities:Short:{symbol}"]
            cost = oracle.state.cost_in[symbol] - oracle.state.cost_out[symbol]
            assert cost == sum(naive.balances(journal).get((path, money), 0) for path in carried)


@settings(max_examples=settings().max_examples // 5)  # each writes and reads files
@given(generators.SETTINGS, generators.SEQUENCES, generators.SEQUENCES)
def test_a_file_closed_and_opened_again_goes_on_as_if_it_had_stayed_open(
    setting: Setting, actions: list[Action], later: list[Action]
) -> None:
    with a_file() as path, open_books(setting) as memory:
        oracle, clock = oracle_for(setting), Clock()
        accepted = play(memory, oracle, clock, actions)
        again = Clock()
        # Only what was accepted: a refused event leaves no trace, so the digests are the same.
        with open_books(setting, path) as journal:
            for action in accepted:
                again.now = again.after(0 if isinstance(action, Commit) else action.days)
                perform(journal, action, again.now)
        assert memory.commit() == Journal.open(path).close()

        with Journal.open(path) as journal:
            agree(journal, oracle)
            assert journal.books.state[0].next_lot == memory.books.state[0].next_lot
            for action in play(memory, oracle, clock, later):
                again.now = again.after(0 if isinstance(action, Commit) else action.days)
                perform(journal, action, again.now)
            agree(journal, oracle)
            assert memory.commit() == journal.commit()
