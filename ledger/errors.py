"""The refusals of the ledger, one class for each reason.

A message shows the wrong value and the remedy. An operation that raises one of these leaves the books
unchanged.
"""

import difflib
from collections.abc import Iterable


class TieoutWarning(UserWarning):
    """Something in the inputs of a run that was not used, or was used otherwise, and that is not an error."""


class TieoutError(Exception):
    """Base of the errors of all rooms. The command prints one as a sentence."""


class LedgerError(TieoutError):
    """Base of every error of this room."""


# --- at the door -----------------------------------------------------------------------------------


class UnknownAccount(LedgerError):
    """No account of that path exists in that commodity."""


class UnknownCommodity(LedgerError):
    """No commodity of that symbol was declared."""


class UnknownInstrument(UnknownCommodity):
    """The symbol is not declared, or names a currency where an instrument is needed."""


class UnknownTransaction(LedgerError):
    """No transaction of that number was posted."""


class InvalidCommodity(LedgerError):
    """A commodity cannot be declared as described."""


class InvalidAccount(LedgerError):
    """An account cannot be opened as described."""


class InvalidEvent(LedgerError):
    """An event was called with arguments that it does not take."""


class InvalidPolicy(LedgerError):
    """A policy names something that does not exist."""


class InvalidTime(LedgerError):
    """A moment in time could not be read."""


class FloatAmount(LedgerError):
    """A float stands for money or a quantity."""


class NotAnAmount(LedgerError):
    """A value cannot be read as an amount."""


class InexactAmount(LedgerError):
    """An amount has more decimals than its commodity keeps."""


class AmountOutOfRange(LedgerError):
    """An amount, or the balance it leads to, does not fit into 64 bits."""


# --- posting -----------------------------------------------------------------------------------------


class AmountNotPositive(LedgerError):
    """The amount of a transfer is not greater than zero."""


class SameAccount(LedgerError):
    """A transfer debits and credits one account."""


class CommodityMismatch(LedgerError):
    """The two accounts of a transfer are in different commodities."""


class EmptyTransaction(LedgerError):
    """A transaction moves nothing."""


class Overdraft(LedgerError):
    """A transaction leaves a floored account below zero."""


class BackdatedTransaction(LedgerError):
    """A transaction is older than one already posted."""


class InsufficientLots(LedgerError):
    """More units are given up than the open lots hold."""


class UnknownLot(LedgerError):
    """No open lot of that number exists on that side of the instrument."""


class LotNotNamed(LedgerError):
    """Relief is specific, and the event names no lot."""


class OppositePosition(LedgerError):
    """A position would be opened on one side while the other is held."""


class LotsDisturbed(LedgerError):
    """A reversal would leave a lot with cost but no units, or with fewer than none."""


class MissingMark(LedgerError):
    """An instrument is held and has no price yet."""


class AlreadyReversed(LedgerError):
    """A transaction was reversed before, or is a reversal itself."""


# --- the file ----------------------------------------------------------------------------------------


class StoreError(LedgerError):
    """The file of the journal cannot be used for this."""


class JournalExists(StoreError):
    """There is a file already at the path of a new journal."""


class NoSuchFile(StoreError):
    """There is no file of that name."""


class NotAJournal(StoreError):
    """The file is not a journal."""


class NewerSchema(StoreError):
    """The file was written by a later version of tieout."""


class OlderSchema(StoreError):
    """The file was written by an earlier version of tieout and cannot be read by this one."""


class DamagedFile(StoreError):
    """The file is truncated or corrupt."""


class TimeLimitReached(StoreError):
    """Reading or checking the file takes longer than it may."""


class Unexamined(StoreError):
    """Nothing of the file could be examined, so there is no opinion on it."""


class LockedByWriter(StoreError):
    """Another process has the file open."""


class ForkedWithoutThreads(LedgerError):
    """A forked process lacks the threads that make frames."""


class OpenedBeforeFork(StoreError):
    """The file was opened by the parent of this process."""


class FileReplaced(StoreError):
    """Another file lies where a journal was written."""


class DiskFull(StoreError):
    """There is no room left for the file."""


class WriteFailed(StoreError):
    """A block could not be stored. Reopen the file to see its last sealed block."""


class ReadOnly(StoreError):
    """The file or its folder cannot be written."""


class JournalClosed(StoreError):
    """The journal is closed, or a write failed, and no more can be posted."""


class OutOfBalance(LedgerError):
    """The running balances are not the sums of the transfers, which is a fault of the code that posts."""


class SealBroken(StoreError):
    """The contents of the file do not match its seals."""


class ReplayDiverged(StoreError):
    """A run performed again differs from what was sealed."""


class UnknownRecords(StoreError):
    """The file holds records of a package that is not installed."""


class InvalidRecords(StoreError):
    """The records of a package clash with others in the same file."""


class InvalidRows(StoreError):
    """Rows added to a table do not have its columns, types or numbering."""


class InvalidQuery(LedgerError):
    """A query could not be answered."""


class UnknownView(LedgerError):
    """There is no statement of that name."""


class ExportFailed(LedgerError):
    """The books cannot be written in that form."""


# --- notes of a file outside it ----------------------------------------------------------------------


class InvalidAnchor(LedgerError):
    """An anchor is not a whole digest."""


class InvalidKey(LedgerError):
    """A key cannot be read or created."""


class InvalidNote(LedgerError):
    """A signed note cannot be read, or the key has not signed it."""


class UnsoundJournal(LedgerError):
    """A journal is not signed, because a check failed."""


def nearest(name: object, names: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest of *names*, or a list of them."""
    by_lower = {other.lower(): other for other in names}
    if near := difflib.get_close_matches(str(name).lower(), by_lower, 1):
        return f" (did you mean {by_lower[near[0]]!r}?)"
    return f"; there are {', '.join(by_lower.values()) or 'none'}"
