"""Times in text, as exports write them: ISO 8601 and close variants, but nothing ambiguous.

A date such as 03/05/2024 is in March or in May. A wrong guess would book a fill two months late.
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


def moments(values: pl.Series) -> tuple[pl.Series, NDArray[Any]]:
    """Parse nanoseconds since 1970, null for no time, and days since 1970 in the zone of the text.

    *values* are text, dates or datetimes. Without a zone, times are UTC.
    """
    if values.dtype != pl.String:
        frame = pl.LazyFrame({"timestamp": values})
        ns = frame.select(nanoseconds(values.dtype)).collect().to_series()
        return ns, _days(values)
    parts = values.str.extract_groups(_TIME).struct.unnest()
    clock = (pl.col(name).fill_null("00") for name in ("hour", "minute", "second"))
    local = parts.select(pl.format("{}-{}-{}T{}:{}:{}", "year", "month", "day", *clock)).to_series()
    local = local.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    hours, minutes = (pl.col(name).cast(pl.Int64).fill_null(0) for name in ("hours", "minutes"))
    # The sign applies to the minutes as well as to the hours.
    away = (hours * 60 + minutes) * 60 * pl.when(pl.col("sign") == "-").then(-SECOND).otherwise(SECOND)
    part = pl.col("part").str.pad_end(9, "0").cast(pl.Int64).fill_null(0)
    ns = pl.select(local.cast(pl.Datetime("ns"), strict=False).to_physical()).to_series()
    return ns + parts.select(part - away).to_series(), _days(local)


def _days(times: pl.Series) -> NDArray[np.int64]:
    """Return days since 1970, zero for no time."""
    return times.dt.date().to_physical().fill_null(0).to_numpy().astype(np.int64)
