"""Moments in time: nanoseconds since 1970-01-01 UTC inside, almost anything sensible at the door."""

from datetime import UTC, date, datetime

import numpy as np

from ledger.errors import InvalidTime

Moment = str | date | datetime | np.datetime64 | int
"""ISO text, a date or datetime, a numpy datetime64, or nanoseconds. Without a zone it is taken as UTC."""


def nanoseconds(when: object) -> int:
    """*when*, a `Moment`, as nanoseconds since 1970; a zone is converted to UTC."""
    match when:
        case bool() | float():
            raise InvalidTime(f"{when!r} is not a moment; give ISO text, a date or a datetime")
        case int() | np.integer():
            return int(when)
        case str():
            try:
                parsed = datetime.fromisoformat(when)
            except ValueError:
                return _from_numpy(when)
            return _from_numpy(when) if parsed.tzinfo is None else nanoseconds(parsed)
        case datetime() if when.tzinfo is not None:
            return _from_numpy(when.astimezone(UTC).replace(tzinfo=None))
        case _:
            return _from_numpy(when)


def iso(ns: int) -> str:
    """*ns* as ISO text without trailing zeros: a date, or date and time."""
    text = str(np.datetime64(int(ns), "ns")).rstrip("0").rstrip(".")
    whole = str(np.datetime64(int(ns), "ns").astype("datetime64[s]"))
    return whole.removesuffix("T00:00:00") if text.startswith(whole) and len(text) <= len(whole) else text


def _from_numpy(when: object) -> int:
    try:
        moment = np.datetime64(when, "ns")  # type: ignore[call-overload]
    except (ValueError, TypeError):
        raise InvalidTime(f"{when!r} is not a moment; give ISO text, a date or a datetime") from None
    if np.isnat(moment):
        raise InvalidTime(f"{when!r} is not a moment")
    return int(moment.astype(np.int64))
