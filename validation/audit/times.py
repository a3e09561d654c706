"""Times in text, as exports write them: ISO 8601 and what is near it, nothing that may be read in two ways.

A date like 03/05/2024 is of March here and of May there: whoever guesses books a fill two months late.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tieout.execution.data.frames import nanoseconds

SECOND = 1_000_000_000
_DATE = r"(?P<year>\d{4})-?(?P<month>\d{2})-?(?P<day>\d{2})"
_CLOCK = r"(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?"
_ZONE = r"(?:Z|UTC|(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})?)"
_TIME = rf"^\s*{_DATE}(?:(?:[T ]|, ?|; ?){_CLOCK}\s*{_ZONE}?)?\s*$"


def moments(given: pl.Series) -> tuple[pl.Series, NDArray[Any]]:
    """Nanoseconds since 1970, null where there is no time, and days since 1970 in the zone that is written.

    *given* is text, dates or datetimes. Without a zone, times are UTC.
    """
    if given.dtype != pl.String:
        frame = pl.LazyFrame({"timestamp": given})
        ns = frame.select(nanoseconds(given.dtype)).collect().to_series()
        return ns, _days(given)
    parts = given.str.extract_groups(_TIME).struct.unnest()
    clock = (pl.col(name).fill_null("00") for name in ("hour", "minute", "second"))
    local = parts.select(pl.format("{}-{}-{}T{}:{}:{}", "year", "month", "day", *clock)).to_series()
    local = local.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    hours, minutes = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hours", "minutes"))
    # A minus is as much in front of the minutes as of the hours.
    away = (hours * 60 + minutes) * 60 * pl.when(pl.col("sign") == "-").then(-SECOND).otherwise(SECOND)
    part = pl.col("part").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
    ns = pl.select(local.cast(pl.Datetime("ns"), strict=False).to_physical()).to_series()
    return ns + parts.select(part - away).to_series(), _days(local)


def _days(times: pl.Series) -> NDArray[np.int64]:
    """Days since 1970, zero where there is no time."""
    return times.dt.date().to_physical().fill_null(0).to_numpy().astype(np.int64)
