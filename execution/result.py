"""What a run gave, read from its journal and from nothing else."""

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl

from tieout.execution.figures import schedules
from tieout.execution.figures.metrics import Metrics, metrics
from tieout.execution.figures.record import History
from tieout.ledger.closing import Closing
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal


class Result(Closing):
    """A finished run. *journal* answers SQL; what else is here is read from it, and what takes long once.

    A run in memory holds its journal; one in a file opens it to be read. Close it, or use it as a context
    manager, to let go of the file. Of a run in memory nothing is left then: not even a head digest, unless it
    was asked for before.
    """

    def __init__(self, journal: Journal | Reader, head: str, currency: str) -> None:
        self._journal = journal
        self._head = head
        self.currency = currency

    @property
    def journal(self) -> Journal | Reader:
        """The books; those of a run in memory are sealed when they are first asked for."""
        if isinstance(self._journal, Journal) and not self._head:
            self._head = self._journal.commit().digest.hex()
        return self._journal

    @property
    def head(self) -> str:
        """The digest of the last block."""
        self.journal  # noqa: B018  which seals it
        return self._head

    @classmethod
    def of(cls, journal: Journal, currency: str) -> Self:
        """The result of a run that has just been performed."""
        if journal.path is None:
            return cls(journal, "", currency)
        path = journal.path
        head = journal.close()
        assert head is not None
        return cls(Reader(path), head.digest.hex(), currency)

    @classmethod
    def open(cls, path: str | Path, currency: str = "USD") -> Self:
        """The result of a run that a file holds."""
        reader = Reader(path)
        return cls(reader, reader.head, currency)

    def close(self) -> None:
        """Let go of the journal."""
        if isinstance(self._journal, Journal):
            self._journal.discard()
        else:
            self._journal.close()

    @property
    def equity(self) -> pl.DataFrame:
        """Cash, market value and equity at every statement."""
        return schedules.equity(self._history)

    @property
    def trades(self) -> pl.DataFrame:
        """Round trips, from flat to flat."""
        return schedules.trades(self._history)

    @property
    def positions(self) -> pl.DataFrame:
        """What is held at the end."""
        return self._view("position")

    @property
    def orders(self) -> pl.DataFrame:
        """Every order, how it was filled and how it ended."""
        return self._view("order_history")

    @property
    def metrics(self) -> Metrics:
        """Return, risk, costs and trades."""
        return self.metrics_for()

    def metrics_for(self, periods_per_year: float = 252.0) -> Metrics:
        """The same for another number of statements a year."""
        return metrics(self._history, self.currency, periods_per_year)

    @cached_property
    def _history(self) -> History:
        if isinstance(self._journal, Journal):
            self._journal.close_block()
        return History(self._journal)

    def _view(self, name: str) -> pl.DataFrame:
        frame: Any = self.journal.sql(f"from {name}").pl()
        assert isinstance(frame, pl.DataFrame)
        return frame
