"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE; and judges that may be missing."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tieout.validation.evidence.sizes import size

# No deadline: the first example of a compiled function pays for its compilation.
settings.register_profile("default", max_examples=50, deadline=None, print_blob=True)
settings.register_profile("long", settings.get_profile("default"), max_examples=size("property examples"))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("outsiders") and not shutil.which("hledger"):
        pytest.skip("hledger is not installed")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT raise `KeyboardInterrupt`. A job in the background of a shell ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# At the end of every session: no file was imported under two names.
pytest_plugins = ["tests.support.doubles"]
