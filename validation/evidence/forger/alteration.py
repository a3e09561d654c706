"""Alterations, and their kinds by name.

A kind is a function from a base to its alterations. It goes over what is registered: a new table, column,
view or check joins by itself.
"""

from collections.abc import Callable, Iterator

from attrs import frozen

from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.file import File

Change = Callable[[File], object]


@frozen
class Alteration:
    """A *change* of a file. *subjects* are what it alters: tables, columns, views and other objects.

    *preparation* is what the author of the file did before its digest was noted elsewhere. A *quiet* one is
    meant to leave the rows of every table as they were. One of *bytes* follows after every SQL.
    """

    kind: str
    name: str
    subjects: frozenset[str]
    change: Change
    preparation: Change | None = None
    is_quiet: bool = True
    is_of_bytes: bool = False

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


Kind = Callable[[Base], Iterator[Alteration]]
KINDS: dict[str, Kind] = {}
"""The alterations of each kind by its name."""


@frozen
class Maker:
    """Makes the alterations of one kind, with what they have in common."""

    kind: str
    is_quiet: bool
    is_of_bytes: bool

    def __call__(
        self, name: str, change: Change, *subjects: str, preparation: Change | None = None
    ) -> Alteration:
        """Make one. Its subject is its name unless *subjects* are named."""
        return Alteration(
            self.kind,
            name,
            frozenset(subjects or (name,)),
            change,
            preparation,
            self.is_quiet,
            self.is_of_bytes,
        )


def kind(
    name: str, *, quiet: bool = True, of_bytes: bool = False
) -> Callable[[Callable[[Base, Maker], Iterator[Alteration]]], Kind]:
    """Register the alterations of a kind."""

    def register(make: Callable[[Base, Maker], Iterator[Alteration]]) -> Kind:
        maker = Maker(name, quiet, of_bytes)
        KINDS[name] = lambda base: make(base, maker)
        return KINDS[name]

    return register


def statements(*texts: str) -> Change:
    """Return the change that performs SQL."""

    def change(file: File) -> None:
        for text in texts:
            file.run(text)

    return change


def several(*changes: Change) -> Change:
    """Return the change that performs others in turn."""

    def change(file: File) -> None:
        for one in changes:
            one(file)

    return change
