"""The threads of Polars, which a forked process lacks."""

from pathlib import Path

import pytest

from tieout.ledger import threads
from tieout.ledger.errors import ForkedWithoutThreads


def processes(folder: Path, *names: str) -> Path:
    """Return a folder of threads as the system lists them."""
    for number, name in enumerate(names):
        place = folder / str(number)
        place.mkdir()
        (place / "comm").write_text(f"{name}\n")
    return folder


def test_a_frame_that_would_be_waited_for_forever_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    threads.require_threads("the prices")  # here are all threads

    monkeypatch.setattr(threads, "_lost", {"before fork": True, "here": True})
    with pytest.raises(ForkedWithoutThreads, match=r'the prices cannot be read.*get_context\("spawn"\)'):
        threads.require_threads("the prices")


@pytest.mark.parametrize(
    ("names", "lost"),
    [((), "none"), (("python", "duckdb"), "none"), (("python", "polars-0"), "all"), (("polars",), "none")],
)
def test_threads_are_lost_by_a_fork_if_polars_had_started_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], lost: str
) -> None:
    monkeypatch.setattr(threads, "_THREADS", processes(tmp_path, *names))
    monkeypatch.setattr(threads, "_lost", {"before fork": False, "here": False})

    threads._before_fork()
    threads._in_child()

    assert (lost == "all") == threads._lost["here"]


def test_a_thread_that_ends_while_it_is_looked_at_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1" / "comm").mkdir(parents=True)  # cannot be read as a file
    monkeypatch.setattr(threads, "_THREADS", tmp_path)

    assert not threads._has_threads()
