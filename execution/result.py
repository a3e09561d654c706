"""The result of a run, read from its journal alone."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import polars as pl

from tieout.execution.figures import schedules
from tieout.execution.figures.history import History
from tieout.execution.figures.metrics import Metrics, metrics
from tieout.ledger.closing import Closing
from tieout.ledger.errors import FileReplaced, JournalClosed
from tieout.ledger.file import chain
from tieout.ledger.file.place import Identity
from tieout.ledger.file.reader import Reader
from tieout.ledger.forking import Home
from tieout.ledger.interruption import uninterrupted
from tieout.ledger.journal import Journal


class Result(Closing):
    """A finished run. *journal* answers SQL, and all figures are read from it.

    Close it, or use it as a context manager, to close the file. Closing a run in memory discards it, the head
    digest included unless it was read before. *blocks_before* is the number of blocks that the file held
    before the run.
    """

    def __init__(self, journal: Journal | Reader, head: str, currency: str, blocks_before: int = 0) -> None:
        self._journal = journal
        self._head = head
        self._is_open = True
        self._home = Home()
        self.currency = currency
        self.blocks_before = blocks_before

    def __repr__(self) -> str:
        """Six lines of figures under the head digest. It seals a run in memory, as `head` does."""
        if not self._is_open:
            return "Result: closed"
        self._home.require("a result")
        figures = self.metrics
        start, end = (np.datetime_as_string(day, "D") for day in (figures.start, figures.end))
        return "\n".join(
            (
                f"Result {self.head[:16]}, {start} to {end}",
                f"  end equity    {figures.text('end_equity', ',.2f')} {figures.currency}",
                f"  total return  {figures.text('total_return', '.2%')}",
                f"  CAGR          {figures.text('cagr', '.2%')}",
                f"  Sharpe        {figures.text('sharpe', '.2f')}",
                f"  max drawdown  {figures.text('max_drawdown', '.2%')}",
                f"  trades        {figures.trades:,}",
            )
        )

    @property
    def journal(self) -> Journal | Reader:
        """Journal of the run. A run in memory is sealed at the first use.

        Raises `JournalClosed` after `close`, and so do the figures that are read from it.
        """
        self._home.require("a result")
        self._require_open()
        if isinstance(self._journal, Journal) and not self._head:
            self._head = self._journal.commit().digest.hex()
        return self._journal

    @property
    def head(self) -> str:
        """Digest of the last block."""
        self._home.require("a result")
        if not self._head:
            self.journal  # noqa: B018  seals it
        return self._head

    @classmethod
    def of(cls, journal: Journal, currency: str) -> Self:
        """Return the result of a run that was just performed. The caller has the claim on its path.

        Raises `FileReplaced` where another file lies there by now.
        """
        if journal.path is None:
            return cls(journal, "", currency)
        before, identity = journal.store.blocks_before, journal.store.identity
        head = journal.close()
        assert head is not None
        assert identity is not None
        digest = head.digest.hex()
        reader = reopen(journal.path, identity, digest, is_new=journal.store.is_new)
        return cls(reader, digest, currency, before)

    @classmethod
    def open(cls, path: str | Path, currency: str = "USD") -> Self:
        """Open the result of a run in a file. Raises `SealBroken` where its seals do not hold."""
        reader = chain.open_verified(Path(path))
        return cls(reader, reader.head, currency)

    def close(self) -> None:
        """Close the journal."""
        self._home.require("a result")
        self._is_open = False
        if isinstance(self._journal, Journal):
            self._journal.discard()
        else:
            self._journal.close()

    @property
    def equity(self) -> pl.DataFrame:
        """Cash, market value and equity at every statement."""
        return schedules.equity(self._open_history)

    @property
    def trades(self) -> pl.DataFrame:
        """Round trips, from flat to flat."""
        return schedules.trades(self._open_history)

    @property
    def positions(self) -> pl.DataFrame:
        """Positions at the end."""
        return self._view("position")

    @property
    def orders(self) -> pl.DataFrame:
        """Orders with their fills and their status."""
        return self._view("order_history")

    @property
    def metrics(self) -> Metrics:
        """Figures of return, risk, costs and trades."""
        return self.metrics_for()

    def metrics_for(
        self, periods_per_year: float | None = None, *, by: Literal["session", "bar"] = "session"
    ) -> Metrics:
        """Compute `metrics` for another number of periods a year, or *by* ``"bar"`` for each statement."""
        return metrics(self._open_history, self.currency, periods_per_year, by)

    @property
    def _open_history(self) -> History:
        self._require_open()
        self._home.require("a result")
        return self._history

    def _require_open(self) -> None:
        """Raise `JournalClosed` for a closed result: its figures are read from the journal when needed."""
        self._home.require("a result")
        if not self._is_open:
            remedy = (
                f"open it again with Result.open({str(path)!r})"
                if (path := self._journal.path)
                else "its run was in memory: read the figures before closing it, or run into a file"
            )
            raise JournalClosed(f"the result is closed; {remedy}")

    @cached_property
    def _history(self) -> History:
        if isinstance(self._journal, Journal):
            self._journal.close_block()
        return History(self._journal)

    def _view(self, name: str) -> pl.DataFrame:
        frame: Any = self.journal.sql(f"from {name}").pl()
        assert isinstance(frame, pl.DataFrame)
        return frame


def reopen(path: Path, identity: Identity, head: str, *, is_new: bool) -> Reader:
    """Open the file that this process has just written. Raises `FileReplaced` where it is another one.

    One that is not *is_new* was there before. It may have another author, and its seals are checked.
    """
    readers: list[Reader] = []
    try:
        with uninterrupted():
            identity.require(path)
            readers.append(Reader.in_place(path, isolated=False) if is_new else chain.open_verified(path))
            identity.require(path)
            _require_head(readers[0], head)
            return readers[0]
    except BaseException:
        for reader in readers:
            reader.close()
        raise


def _require_head(reader: Reader, head: str) -> None:
    if reader.head != head:
        raise FileReplaced(f"{reader.path} was written to by another program meanwhile; run again to compare")
