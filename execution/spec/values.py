"""The values that a key of a spec may hold. Each function returns the value, or raises `Refused`."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args


class Refused(ValueError):
    """A value that is not allowed. The message goes on after the name of the key: ``is true or false``."""


class RefusedKey(Refused):
    """A key of a table that is not allowed, or whose value is not. The message is a whole sentence."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


class UnknownKeys(Refused):
    """Keys of a table that no spec has."""

    def __init__(self, keys: Sequence[str], allowed: Sequence[str]) -> None:
        super().__init__(f"has no key {', '.join(keys)}")
        self.keys = keys
        self.allowed = allowed


def require(value: object, kind: type | tuple[type, ...], allowed: str) -> Any:
    """Return a value of the type *kind*, which *allowed* describes in an error."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Refused(f"is {allowed}, not {value!r}")
    return value


def whole(value: object, _: Any) -> int:
    """Return a whole number of 64 bits."""
    number: int = require(value, int, "a whole number")
    if not -(2**63) <= number < 2**63:
        raise Refused(f"is a whole number of 64 bits, not {number}")
    return number


def literal(value: object, kind: Any) -> Any:
    """Return one of the values of a `Literal`."""
    allowed = get_args(kind)
    if value not in allowed:
        raise Refused(f"is one of {', '.join(allowed)}, not {value!r}")
    return value


def rate(value: object, _: Any) -> Any:
    """Return a number of zero or more, as written."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or not number.is_finite()
        or number < 0
    ):
        raise Refused(f'is a number of zero or more, such as "0.001", not {value!r}')
    return value


def money(value: object, _: Any) -> str:
    """Return an amount of money as text. A float has to be a whole number."""
    if isinstance(value, float):
        if not value.is_integer():
            raise Refused(f'is text such as "1000.50" or a whole number: {value} is not exact')
        value = int(value)
    rate(value, _)
    return str(value)


def day(value: object, _: Any) -> date:
    """Return a date, which may be written as text."""
    try:
        if isinstance(value, str):
            return date.fromisoformat(value)
    except ValueError:
        value = str(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Refused(f"is a date such as 2018-01-31, not {value!s}")
    return value


def plain(value: object, kind: Any) -> Any:
    """Return text, a finite number, true or false, or a list or table of these."""
    match value:
        case float() if not math.isfinite(value):
            raise Refused(f"must be finite, not {value}")
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [plain(item, kind) for item in value]
        case dict():
            return {key: plain(item, kind) for key, item in value.items()}
        case _:
            raise Refused(f"is text, a number, true or false, or a list or table of these, not {value}")
