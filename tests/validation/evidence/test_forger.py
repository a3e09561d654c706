"""The forger alters everything that is registered, and finds a wrong figure once a defence is off."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout.ledger.errors import StoreError
from tieout.ledger.file import chain, isolation, reader
from tieout.ledger.file.anchor import Anchor
from tieout.ledger.file.isolation import Contents, contents_in_place
from tieout.ledger.file.reader import Reader
from tieout.ledger.file.schema import Schema
from tieout.validation.evidence.forger import __main__ as command
from tieout.validation.evidence.forger import base as bases
from tieout.validation.evidence.forger.alteration import Alteration
from tieout.validation.evidence.forger.base import Base
from tieout.validation.evidence.forger.file import File
from tieout.validation.evidence.forger.rows import reseal
from tieout.validation.evidence.forger.storage import mended, number
from tieout.validation.evidence.forger.trials import (
    Outcome,
    Trial,
    alterations,
    judge,
    paired,
    perform,
    perform_all,
    perform_parts,
)

WEATHER = Schema(
    "weather",
    1,
    "create table weather (id integer not null, rain double not null, place varchar not null);",
    {"wet_place": "create or replace view wet_place as select place from weather where rain > 1;"},
    {
        "rain": "-- Rain: no rain is below zero.\ncreate or replace view check_rain as\n"
        "select place as subject, rain as actual, 0 as expected from weather where rain < 0;\n"
        "create or replace view examined_rain as select count(*) as rows from weather;"
    },
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    path = tmp_path_factory.mktemp("forger") / "books.duckdb"
    bases.books(path)
    return Base.of(path)


def the(base: Base, kind: str, name: str) -> Alteration:
    """Return the alteration of a kind whose name begins with *name*."""
    return next(one for one in alterations(base, [kind]) if one.name.startswith(name))


def outcome(base: Base, folder: Path, kind: str, name: str) -> Trial:
    trial = perform(base, the(base, kind, name), folder)
    assert trial is not None
    return trial


# --- what is altered ---------------------------------------------------------------------------------


def test_everything_that_is_registered_is_altered(base: Base) -> None:
    subjects = {subject for one in alterations(base) for subject in one.subjects}

    assert {"run", "seal", "provenance", *base.layout} <= subjects
    assert {f"{table}.{column}" for table, kinds in base.columns.items() for column in kinds} <= subjects
    assert {*base.names("view")} <= subjects
    assert {f"{name}()" for name in base.functions} <= subjects
    assert {"greatest()", "sum()", "round_even()"} <= subjects


def test_what_a_package_registers_joins_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "installed_schema", lambda *_: WEATHER)
    path = tmp_path / "books.duckdb"
    bases.books(path, [WEATHER], {"weather": {"rain": [0.5, 7.25], "place": ["Oban", "Nice"]}})
    base = Base.of(path)
    every = alterations(base)
    subjects = {subject for one in every for subject in one.subjects}

    assert {"weather", "weather.id", "weather.rain", "weather.place"} <= subjects
    assert {"wet_place", "check_rain", "examined_rain"} <= subjects
    kinds = {one.kind for one in every if any("weather" in subject for subject in one.subjects)}
    assert {
        "value changed",
        "stored column computed",
        "statistics that lie",
        "column of another type",
    } <= kinds
    assert "view wet_place" in base.figures
    trial = outcome(base, tmp_path, "value changed", "weather.rain")
    assert (Outcome.ADVERSE, False) == (trial.outcome, trial.is_quiet)


def test_a_journal_that_is_not_sound_is_no_base(tmp_path: Path, base: Base) -> None:
    with File(base, tmp_path / "books.duckdb") as file:
        file.run("delete from note")

    with pytest.raises(ValueError, match="the forger alters sound journals only"):
        Base.of(file.path)


@pytest.mark.parametrize("value", [0, 1, 63, 64, 127, 128, 10**9, -1, -64, -65, -(10**9)])
def test_a_number_among_statistics_may_be_longer_than_it_needs(value: int) -> None:
    short = number(value, "BIGINT")
    long = number(value, "BIGINT", len(short) + 2)

    assert (value, value) == (decoded(short), decoded(long))
    assert len(short) + 2 == len(long)


def decoded(content: bytes) -> int:
    value = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(content))
    return value - (1 << (7 * len(content))) if content[-1] & 0x40 else value


def test_checksums_that_are_mended_are_those_of_duckdb(base: Base) -> None:
    assert base.content == mended(base.content)


def test_a_chain_that_is_sealed_again_is_the_same(tmp_path: Path, base: Base) -> None:
    with File(base, tmp_path / "books.duckdb") as file:
        before = file.run("from seal")
        reseal(file)
        assert before == file.run("from seal")


# --- outcomes ----------------------------------------------------------------------------------------


def test_a_sound_file_has_equal_figures(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    path.write_bytes(base.content)

    assert (Outcome.EQUAL, "") == judge(path, base.anchor, base.figures, base)


def test_a_figure_that_differs_is_wrong(base: Base, tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    path.write_bytes(base.content)
    figures = {**base.figures, "view proof": "another"}

    assert (Outcome.WRONG, "it verifies, and otherwise than before: view proof") == judge(
        path, base.anchor, figures, base
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [(ValueError("planted"), Outcome.WRONG), (StoreError("planted"), Outcome.DISCLAIMER)],
)
def test_an_error_that_explains_nothing_is_wrong(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: Outcome
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("tieout.validation.evidence.forger.trials.verify", fail)
    path = tmp_path / "books.duckdb"
    path.write_bytes(base.content)

    assert expected is judge(path, base.anchor, base.figures, base)[0]


def test_an_error_after_a_sound_verdict_is_wrong(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("planted")

    monkeypatch.setattr("tieout.validation.evidence.forger.trials.figures_of", fail)
    path = tmp_path / "books.duckdb"
    path.write_bytes(base.content)

    assert Outcome.WRONG is judge(path, base.anchor, base.figures, base)[0]


def test_two_alterations_are_made_in_turn_and_bytes_come_last(base: Base) -> None:
    bytes_, sql = the(base, "bit flipped", "in a block"), the(base, "value changed", "note.text")
    pair = paired(bytes_, sql)

    assert "value changed: note.text, bit flipped: in a block, 0" == pair.name
    assert (True, False) == (pair.is_of_bytes, pair.is_quiet)
    assert bytes_.subjects | sql.subjects == pair.subjects


def test_the_command_prints_a_row_for_each_kind(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, base: Base, tmp_path: Path
) -> None:
    def perform(number: int, seed: int, kinds: list[str]) -> list[Trial]:
        return [*perform_all([base], number, tmp_path, seed, kinds)]

    monkeypatch.setattr(command, "perform_parts", perform)

    assert 0 == command.main(["--count", "2", "--only", "provenance altered"])
    assert "2 alterations, none with a wrong figure" in capsys.readouterr().out
    monkeypatch.setattr(Anchor, "fault", lambda *_: None)
    assert 1 == command.main(["--count", "2", "--only", "provenance altered"])
    assert "2 alterations, 2 with a wrong figure" in capsys.readouterr().out


@pytest.mark.crash
def test_the_parts_are_different_alterations() -> None:
    trials = perform_parts(3, 1, ["row added"])

    assert 3 == len({(trial.base, trial.name) for trial in trials})
    assert {Outcome.ADVERSE} == {trial.outcome for trial in trials}


def test_half_of_the_alterations_leave_every_row(base: Base, tmp_path: Path) -> None:
    trials = [*perform_all([base], 16, tmp_path)]

    assert 16 == len(trials)
    assert 8 <= sum(trial.is_quiet for trial in trials)
    assert all(trial.outcome is not Outcome.WRONG for trial in trials), [trial.fault for trial in trials]


# --- defences ----------------------------------------------------------------------------------------


def in_place(patch: pytest.MonkeyPatch) -> None:
    """Read the file itself in the place of a copy."""

    def read(path: Path, **_: bool) -> Contents:
        return contents_in_place(path, isolated=True)

    patch.setattr(reader, "copy_of", read)


def without_digests(patch: pytest.MonkeyPatch) -> None:
    """Compare the digest of no block."""

    def none(*_: Any) -> Iterator[chain.Departure]:
        return iter(())

    patch.setattr(chain, "_departures_of_block", none)


def without_counts(patch: pytest.MonkeyPatch) -> None:
    """Count no rows beyond those of the seals."""

    def none(*_: Any) -> Iterator[chain.Departure]:
        return iter(())

    patch.setattr(chain, "_unsealed_rows", none)


def without_genesis(patch: pytest.MonkeyPatch) -> None:
    """Begin the chain wherever its first seal says."""
    patch.setattr(chain, "genesis", lambda of: bytes.fromhex(chain.seals(of)[0].previous))


def without_anchor(patch: pytest.MonkeyPatch) -> None:
    """Compare the anchor with nothing."""
    patch.setattr(Anchor, "fault", lambda *_: None)


def with_the_layout_of_the_file(patch: pytest.MonkeyPatch) -> None:
    """Let the seals cover what the file says that they cover."""
    right = chain.departures

    class Believer:
        def __init__(self, of: Reader) -> None:
            self.of = of
            self.layout = {table: dict(kinds) for table, kinds in json.loads(of.run["layout"])}
            self.faults = [text for text in of.faults if "layout" not in text]

        def __getattr__(self, name: str) -> Any:
            return getattr(self.of, name)

    def believe(of: Any, *arguments: Any) -> Iterator[chain.Departure]:
        return right(Believer(of), *arguments)  # type: ignore[arg-type]

    patch.setattr(chain, "departures", believe)


Switch = Callable[[pytest.MonkeyPatch], None]
DEFENCES: list[tuple[Switch, str, str]] = [
    (in_place, "statistics that lie", "transfer.amount, the greatest too low"),
    (in_place, "statistics that say NULL", "account.instrument"),
    (in_place, "stored column computed", "transfer.amount, tells a view"),
    (without_digests, "value changed", "note.text"),
    (without_counts, "row added", "note, a further one"),
    (without_genesis, "value changed", "run.seed"),
    (without_anchor, "other rows, sealed from the start", "note.text"),
    (without_anchor, "blocks cut off or added", "the last one cut off"),
    (without_anchor, "provenance altered", "host"),
    (with_the_layout_of_the_file, "layout without a table, by the author", "note"),
]


@pytest.mark.parametrize(("switch_off", "kind", "name"), DEFENCES)
def test_a_defence_that_is_switched_off_lets_a_wrong_figure_through(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switch_off: Switch, kind: str, name: str
) -> None:
    assert outcome(base, tmp_path, kind, name).outcome is not Outcome.WRONG
    switch_off(monkeypatch)
    trial = outcome(base, tmp_path, kind, name)
    assert Outcome.WRONG is trial.outcome
    assert trial.fault.startswith("it verifies, and ")


def test_the_layout_is_compared_beside_the_count_of_rows(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that the layout leaves out has rows that no seal covers, so either defence is enough."""
    kind = "layout without a table, by the author"
    for module, name in ((isolation, "_in_order"), (chain, "_unsealed_rows")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, lambda *_: [])
            assert Outcome.ADVERSE is outcome(base, tmp_path, kind, "note").outcome
    monkeypatch.setattr(isolation, "_in_order", lambda *_: [])
    monkeypatch.setattr(chain, "_unsealed_rows", lambda *_: [])
    assert Outcome.WRONG is outcome(base, tmp_path, kind, "note").outcome


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("stored column computed", "transfer.amount, tells a view"),
        ("view replaced", "trial_balance, doubled"),
        ("function of the views replaced", "sum()"),
        ("table defined otherwise", "transfer, with an index"),
        ("column with a collation", "account.path"),
    ],
)
def test_no_figure_depends_on_the_catalogue(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """The copy alone keeps the figures right. The catalogue is compared for those who ask DuckDB itself."""
    assert Outcome.ADVERSE is outcome(base, tmp_path, kind, name).outcome
    monkeypatch.setattr(isolation, "differences", lambda *_: [])
    assert outcome(base, tmp_path, kind, name).outcome in {Outcome.EQUAL, Outcome.ADVERSE}
