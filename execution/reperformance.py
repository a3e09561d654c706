"""Performing a recorded run again, and saying what differs where it comes out otherwise."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from execution.errors import InputChanged
from ledger.errors import ReplayDiverged
from ledger.reader import Reader
from ledger.run import Run
from ledger.store import canonical

_CAUSES = {"spec": "the spec", "fingerprints": "the data", "policies": "the policies"}


@contextmanager
def explained(path: Path, run: Run) -> Iterator[None]:
    """Turn a divergence from the run that *path* holds into what differs between the two."""
    try:
        yield
    except ReplayDiverged as error:
        raise InputChanged(f"{path} holds another run: {'; '.join(differences(path, run))}") from error


def differences(path: Path, run: Run) -> list[str]:
    """What in *run* is not as the journal in *path* records it."""
    with Reader(path) as reader:
        stored = reader.run
    found: list[str] = []
    for name, what in (("spec", run.spec), ("fingerprints", run.fingerprints)):
        was, given = json.loads(stored[name]), json.loads(canonical(what))
        found.extend(f"{_CAUSES[name]}: {text}" for text in _changes(was, given))
    if stored["strategy"] != run.strategy:
        found.append("the source of the strategy has changed")
    if stored["seed"] != run.seed:
        found.append(f"the seed was {stored['seed']}, now {run.seed}")
    if not found:
        found.append("its policies, or the rules of this version, are others")
    return found


def _changes(was: Any, given: Any, name: str = "") -> Iterator[str]:
    """Each place where two JSON values differ."""
    if isinstance(was, Mapping) and isinstance(given, Mapping):
        for key in sorted({*was, *given}):
            yield from _changes(was.get(key), given.get(key), f"{name}.{key}" if name else key)
    elif was != given:
        yield f"{name} was {_short(was)}, now {_short(given)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  what a line can bear
