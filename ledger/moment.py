"""Moments in time: nanoseconds since 1970-01-01 UTC inside, text, dates and datetimes at the door."""

import re
from datetime import UTC, date, datetime

import numpy as np

from tieout.ledger.errors import InvalidTime

Moment = str | date | datetime | np.datetime64 | int
"""ISO text, a date or datetime, a numpy datetime64, or nanoseconds. A value without a zone is UTC."""

DAY = 86_400 * 10**9
DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{8}")
# The digits of a fraction after the sixth, which datetime drops.
FINER = re.compile(r"[.,]\d{6}(\d+)")


def nanoseconds(when: object) -> int:
    """Convert *when*, a `Moment`, to nanoseconds since 1970. A zone is converted to UTC."""
    match when:
        case bool() | float():
            raise InvalidTime(f"{when!r} is not a moment; give ISO text, a date or a datetime")
        case int() | np.integer():
            if not -(2**63) < when < 2**63:
                raise InvalidTime(f"{when!r} nanoseconds do not fit into 64 bits")
            return int(when)
        case str():
            try:
                parsed = datetime.fromisoformat(when)
            except ValueError:
                return _from_numpy(when)
            finer = FINER.search(when)
            if finer and len(finer[1]) > 3:  # noqa: PLR2004  nine digits in all
                raise InvalidTime(f"{when!r} is finer than a nanosecond")
            return nanoseconds(parsed) + (int(finer[1].ljust(3, "0")) if finer else 0)
        case datetime() if when.tzinfo is not None:
            return _from_numpy(when.astimezone(UTC).replace(tzinfo=None))
        case _:
            return _from_numpy(when)


def end_of(when: object) -> int:
    """Convert *when*, a `Moment`, to the last nanosecond that it includes: a date includes its whole day."""
    start = nanoseconds(when)
    match when:
        case datetime():
            whole_day = False
        case str():
            whole_day = DATE.fullmatch(when.strip()) is not None
        case np.datetime64():
            whole_day = np.datetime_data(when)[0] == "D"
        case _:
            whole_day = isinstance(when, date)
    return start + (DAY - 1 if whole_day else 0)


def iso(ns: int) -> str:
    """Convert *ns* to ISO text without trailing zeros: a date, or date and time."""
    text = str(np.datetime64(int(ns), "ns")).rstrip("0").rstrip(".")
    whole = str(np.datetime64(int(ns), "ns").astype("datetime64[s]"))
    return whole.removesuffix("T00:00:00") if text.startswith(whole) and len(text) <= len(whole) else text


def _from_numpy(when: object) -> int:
    try:
        value = np.datetime64(when)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        raise InvalidTime(f"{when!r} is not a moment; give ISO text, a date or a datetime") from None
    if np.isnat(value):
        raise InvalidTime(f"{when!r} is not a moment")
    moment = value.astype("M8[ns]")
    if moment.astype(value.dtype) != value:  # numpy wraps around silently
        raise InvalidTime(f"{value} is before 1678, after 2261, or finer than a nanosecond")
    return int(moment.astype(np.int64))
