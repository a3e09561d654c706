"""Ctrl-C that is held back, and the parts of a block in which it acts at once."""

import signal
from collections.abc import Callable

import pytest

from tieout.ledger.interruption import uninterrupted

pytestmark = pytest.mark.usefixtures("ctrl_c")

Steps = list[str]


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def in_a_block(steps: Steps) -> None:
    with uninterrupted():
        press()
        steps.append("block")
    steps.append("never")


def in_a_part(steps: Steps) -> None:
    with uninterrupted() as interruptible:
        try:
            with interruptible():
                press()
                steps.append("never")
        finally:
            steps.append("end of the block")


def before_a_part(steps: Steps) -> None:
    with uninterrupted() as interruptible:
        press()
        steps.append("block")
        with interruptible():
            steps.append("never")


def after_a_part(steps: Steps) -> None:
    with uninterrupted() as interruptible:
        with interruptible():
            steps.append("part")
        press()
        steps.append("block")


def in_a_block_within_another(steps: Steps) -> None:
    with uninterrupted():
        with uninterrupted():
            press()
            steps.append("inner")
        steps.append("outer")


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (in_a_block, ["block"]),
        (in_a_part, ["end of the block"]),
        (before_a_part, ["block"]),
        (after_a_part, ["part", "block"]),
        (in_a_block_within_another, ["inner", "outer"]),
    ],
)
def test_ctrl_c_acts_at_the_end_of_a_block_or_at_once_in_a_part(
    work: Callable[[Steps], None], expected: Steps
) -> None:
    steps: Steps = []

    with pytest.raises(KeyboardInterrupt):
        work(steps)

    assert expected == steps
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)
