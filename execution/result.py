"""The result of a run, read from its journal alone."""

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from tieout.execution.figures import schedules
from tieout.execution.figures.history import History
from tieout.execution.figures.metrics import Metrics, metrics
from tieout.ledger.closing import Closing
from tieout.ledger.file.reader import Reader
from tieout.ledger.journal import Journal


class Result(Closing):
    """A finished run. *journal* answers SQL, and all figures are read from it.

    Close it, or use it as a context manager, to close the file. Closing a run in memory discards it, the head
    digest included unless it was read before.
    """

    def __init__(self, journal: Journal | Reader, head: str, currency: str) -> None:
        self._journal = journal
        self._head = head
        self._is_open = True
        self.currency = currency

    def __repr__(self) -> str:
        """Six lines of figures under the head digest. It seals a run in memory, as `head` does."""
        if not self._is_open:
            return "Result: closed"
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
        """Journal of the run. A run in memory is sealed at the first use."""
        if isinstance(self._journal, Journal) and not self._head:
            self._head = self._journal.commit().digest.hex()
        return self._journal

    @property
    def head(self) -> str:
        """Digest of the last block."""
        self.journal  # noqa: B018  seals it
        return self._head

    @classmethod
    def of(cls, journal: Journal, currency: str) -> Self:
        """Return the result of a run that was just performed."""
        if journal.path is None:
            return cls(journal, "", currency)
        path = journal.path
        head = journal.close()
        assert head is not None
        return cls(Reader(path), head.digest.hex(), currency)

    @classmethod
    def open(cls, path: str | Path, currency: str = "USD") -> Self:
        """Open the result of a run in a file."""
        reader = Reader(path)
        return cls(reader, reader.head, currency)

    def close(self) -> None:
        """Close the journal."""
        self._is_open = False
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

    def metrics_for(self, periods_per_year: float = 252.0) -> Metrics:
        """Compute `metrics` for another number of statements a year."""
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
