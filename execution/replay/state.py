"""The state of a strategy object before its first run, so that each further run begins with the same.

A run works on the object itself, so that what the strategy keeps can be read afterwards. Before another run
the object is given its first state again. An object whose public attributes were changed in between is
refused, because the change would be lost.
"""

import copy
import json
import weakref
from typing import Any

from attrs import define

from tieout.execution.errors import InvalidSetting
from tieout.execution.replay.description import describe_strategy
from tieout.execution.strategy.strategy import Strategy


@define
class _Past:
    """A strategy that was run: its state before the first run, and its parameters after the last."""

    strategy: weakref.ref[Strategy]
    first: Strategy | None
    """A copy, or None for a strategy that cannot be copied"""
    after: str = ""


_PASTS: dict[int, _Past] = {}
"""The strategies that were run, by their ids."""


def restore(strategy: Strategy) -> None:
    """Give a strategy that was run before its first state again. Raise `InvalidSetting` if it cannot be."""
    first = first_of(strategy)
    if first is not strategy:
        _write_over(strategy, first)


def first_of(strategy: Strategy) -> Strategy:
    """Return a copy of a strategy as it was before its first run, or one that was never run itself.

    Raises `InvalidSetting` if it cannot be copied, or was changed since.
    """
    past = _past_of(strategy)
    if past is None:
        return strategy
    name = type(strategy).__qualname__
    if past.first is None:
        raise InvalidSetting(
            f"this {name} was run before and cannot be copied; create a new one for each run"
        )
    if _parameters(strategy) != past.after:
        raise InvalidSetting(f"this {name} was run before and changed since; create a new one for each run")
    return copy.deepcopy(past.first)


def begin(strategy: Strategy) -> None:
    """Keep the state of a strategy whose run begins."""
    if _past_of(strategy) is not None:
        return
    try:
        first = copy.deepcopy(strategy)
    except Exception:  # noqa: BLE001  an attribute of any class may refuse to be copied, in any way
        first = None
    key = id(strategy)
    reference = weakref.ref(strategy, lambda _: _PASTS.pop(key, None) and None)
    _PASTS[key] = _Past(reference, first)


def end(strategy: Strategy) -> None:
    """Keep the parameters of a strategy whose run ended."""
    past = _past_of(strategy)
    if past is not None:
        past.after = _parameters(strategy)


def _past_of(strategy: Strategy) -> _Past | None:
    past = _PASTS.get(id(strategy))
    return past if past is not None and past.strategy() is strategy else None


def _parameters(strategy: Strategy) -> str:
    """Return the public attributes as text. One that cannot be recorded counts by its identity."""
    try:
        return json.dumps(describe_strategy(strategy)["parameters"], sort_keys=True)
    except InvalidSetting:
        return str(sorted((name, id(value)) for name, value in vars(strategy).items()))


def _write_over(strategy: Strategy, other: Strategy) -> None:
    """Give a strategy the attributes of another of its class, and no others."""
    for name in _slots(type(strategy)):
        if hasattr(strategy, name):
            delattr(strategy, name)
        if hasattr(other, name):
            setattr(strategy, name, getattr(other, name))
    if hasattr(strategy, "__dict__"):
        vars(strategy).clear()
        vars(strategy).update(vars(other))


def _slots(kind: type[Any]) -> set[str]:
    names: set[str] = set()
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names |= {slots} if isinstance(slots, str) else set(slots)
    return names - {"__dict__", "__weakref__"}
