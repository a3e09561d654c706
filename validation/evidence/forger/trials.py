"""Trials: a file is altered, `verify` is asked with the digest noted before, and every figure is compared."""

import multiprocessing
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from enum import Enum
from itertools import count, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb
from attrs import frozen

from tieout.ledger.errors import StoreError, TieoutError
from tieout.ledger.file.anchor import Anchor
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.verify import Opinion, verify
from tieout.validation.evidence.forger import base as bases
from tieout.validation.evidence.forger import (  # noqa: F401  they register the kinds
    definitions,
    description,
    lies,
    rows,
    storage,
)
from tieout.validation.evidence.forger.alteration import KINDS, Alteration, several
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.figures import Figures, differences, figures_of
from tieout.validation.evidence.forger.file import File, NotMade

PAIRS = "two alterations at once"
"""The kind of a pair."""
PARTS = 2
"""Processes that perform alterations at once."""
_MOST_NAMED = 4
"""Wrong figures that a trial names."""


class Outcome(Enum):
    """The outcome of a trial. All are sound but the last one."""

    ADVERSE = "adverse"
    DISCLAIMER = "disclaimer"
    EQUAL = "figures equal"
    WRONG = "WRONG"


@frozen
class Trial:
    """One alteration of one base, by its kind and name, its outcome, and what is wrong.

    *is_quiet* says whether DuckDB still answered every `select *` over a table as before.
    """

    base: str
    kind: str
    name: str
    outcome: Outcome
    is_quiet: bool
    fault: str = ""


def make_bases(folder: Path) -> list[Base]:
    """Write the sound journals to a folder, and describe them."""
    described = []
    for write in (bases.backtest, bases.books):
        path = folder / f"{write.__name__}.duckdb"
        write(path)
        described.append(Base.of(path))
    return described


def perform(base: Base, alteration: Alteration, folder: Path) -> Trial | None:
    """Alter a copy of *base*, and judge it. None where the alteration cannot be made there."""
    with TemporaryDirectory(dir=folder) as place:
        file = File(base, Path(place) / "books.duckdb")
        anchor, figures = base.anchor, base.figures
        try:
            with file:
                if alteration.preparation is not None:
                    alteration.preparation(file)
                    file.close()
                    anchor, figures = _noted(file, figures)
                alteration.change(file)
                is_quiet = file.has_rows_of_base()
        except (duckdb.Error, NotMade):
            return None
        outcome, fault = judge(file.path, anchor, figures, base)
        return Trial(base.name, alteration.kind, alteration.name, outcome, is_quiet, fault)


def _noted(file: File, figures: Figures) -> tuple[str, Figures]:
    """Return what is noted of a file that its author has prepared: its digest, and its figures.

    Where it shows no figures, those of the base stay.
    """
    noted = file.base.anchor
    try:
        with Reader(file.path, allow_gaps=True) as reader:
            noted = verify(reader).file_digest
        return noted, figures_of(file.path, file.base.limits)
    except TieoutError:
        return noted, figures


def judge(path: Path, anchor: str, figures: Figures, base: Base) -> tuple[Outcome, str]:
    """Return the outcome for an altered file, and what is wrong."""
    try:
        opinion = _opinion(path, anchor)
    except StoreError:
        return Outcome.DISCLAIMER, ""
    except Exception as error:  # noqa: BLE001  any other error is what the forger looks for
        return Outcome.WRONG, f"verify ends with {_place(error)}"
    if opinion is not Opinion.UNQUALIFIED:
        return Outcome(opinion.value), ""
    try:
        wrong = differences(figures_of(path, base.limits), figures)
    except Exception as error:  # noqa: BLE001  as above
        return Outcome.WRONG, f"it verifies, and reading it ends with {_place(error)}"
    if not wrong:
        return Outcome.EQUAL, ""
    more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
    return Outcome.WRONG, f"it verifies, and otherwise than before: {', '.join(wrong[:_MOST_NAMED])}{more}"


def _opinion(path: Path, anchor: str) -> Opinion:
    """Return the opinion on a file, as the command `verify --anchor` gives it."""
    with Reader(path, allow_gaps=True, with_catalogue=True) as reader:
        return verify(reader, Anchor(anchor)).opinion


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}: {str(error)[:200]}"


# --- the choice ----------------------------------------------------------------------------------------


def alterations(base: Base, kinds: Sequence[str] = ()) -> list[Alteration]:
    """List the alterations of a base, of all kinds or of some."""
    return [one for name in kinds or KINDS for one in KINDS[name](base)]


def chosen(
    sound: Sequence[Base], random: Random, kinds: Sequence[str] = ()
) -> Iterator[tuple[Base, Alteration]]:
    """Yield alterations without end: first one of each kind and each subject, then others and pairs.

    Three in four of the others are quiet ones. A third of these are pairs.
    """
    every = [(base, one) for base in sound for one in alterations(base, kinds)]
    random.shuffle(every)
    partners = [item for item in every if item[1].preparation is None]
    every.sort(key=lambda item: not item[1].is_quiet)
    rest = {True: list[tuple[Base, Alteration]](), False: list[tuple[Base, Alteration]]()}
    covered: set[str] = set()
    for names in (_kind, _subjects):
        later = []
        for base, one in every:
            if names(one) <= covered:
                later.append((base, one))
            else:
                covered |= names(one)
                yield base, one
        every = later
    for base, one in every:
        rest[one.is_quiet].append((base, one))
    for number in count():
        if pool := rest[number % 4 != 3]:
            yield pool.pop()
        if number % 3 == 0 and partners:
            (base, first), (other, second) = random.choice(partners), random.choice(partners)
            if base is other:
                yield base, paired(first, second)
        if not (partners or rest[True] or rest[False]):
            return


def _kind(one: Alteration) -> set[str]:
    return {one.kind}


def _subjects(one: Alteration) -> frozenset[str]:
    return one.subjects


def paired(first: Alteration, second: Alteration) -> Alteration:
    """Return the alteration that makes two, that of bytes last. Neither may need a preparation."""
    one, two = sorted((first, second), key=lambda a: a.is_of_bytes)
    return Alteration(
        PAIRS,
        f"{one}, {two}",
        one.subjects | two.subjects,
        several(one.change, two.change),
        is_quiet=one.is_quiet and two.is_quiet,
        is_of_bytes=two.is_of_bytes,
    )


def perform_all(
    sound: Sequence[Base], number: int, folder: Path, seed: int = 0, kinds: Sequence[str] = (), part: int = 0
) -> Iterator[Trial]:
    """Perform a *number* of alterations that can be made. The same seed chooses the same ones.

    Of all that the seed chooses, these are every one in `PARTS`, from number *part* on.
    """
    choice = islice(chosen(sound, Random(seed), kinds), part, None, PARTS)
    trials = (perform(base, one, folder) for base, one in choice)
    return islice((trial for trial in trials if trial is not None), number)


def perform_part(number: int, seed: int, kinds: Sequence[str], part: int) -> list[Trial]:
    """Perform a *number* of alterations of sound journals that are written for it."""
    with TemporaryDirectory(prefix="tieout-forger-") as folder:
        place = Path(folder)
        return [*perform_all(make_bases(place), number, place, seed, kinds, part)]


def perform_parts(number: int, seed: int, kinds: Sequence[str]) -> list[Trial]:
    """Perform a *number* of alterations in several processes."""
    shares = [number * (part + 1) // PARTS - number * part // PARTS for part in range(PARTS)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PARTS, mp_context=context) as pool:
        futures = [pool.submit(perform_part, share, seed, kinds, part) for part, share in enumerate(shares)]
        return [trial for future in futures for trial in future.result()]
