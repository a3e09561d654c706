"""Times in text are read in one way, or not at all."""

import numpy as np
import polars as pl
import pytest

from tieout.validation.audit.times import moments


@pytest.mark.parametrize(
    ("text", "ns", "day"),
    [
        ("2024-03-05", "2024-03-05", "2024-03-05"),
        ("20240305", "2024-03-05", "2024-03-05"),
        ("2024-03-05T09:31", "2024-03-05T09:31", "2024-03-05"),
        ("2024-03-05, 09:31:00", "2024-03-05T09:31", "2024-03-05"),
        ("20240305;093100", "2024-03-05T09:31", "2024-03-05"),
        ("2024-03-05 10:00:00 UTC", "2024-03-05T10:00", "2024-03-05"),
        ("2024-03-05T20:00:00-05:00", "2024-03-06T01:00", "2024-03-05"),
        ("2024-03-05 01:00:00.000000001+05:30", "2024-03-04T19:30:00.000000001", "2024-03-05"),
    ],
)
def test_a_time_is_an_instant_and_the_day_of_its_own_zone(text: str, ns: str, day: str) -> None:
    instants, days = moments(pl.Series([text]))

    assert [np.datetime64(ns, "ns").astype(int)] == instants.to_list()
    assert [day] == days.astype("M8[D]").astype(str).tolist()


@pytest.mark.parametrize(
    "text",
    ["03/05/2024", "05.03.2024", "2024-13-05", "2024-03-05T25:00", "1709600000", "1600-01-01", "", None],
)
def test_what_may_be_read_in_two_ways_is_no_time(text: str | None) -> None:
    instants, _ = moments(pl.Series([text], dtype=pl.String))

    assert [None] == instants.to_list()
