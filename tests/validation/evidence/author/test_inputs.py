"""Every registered command has a driver, every schema and every kind takes part, and the choice is fair."""

from collections import Counter
from pathlib import Path

import pytest

from tieout.execution.records import RECORDS
from tieout.ledger.file.schema import Schema, ledger_schema
from tieout.validation.evidence.author import drivers, journals, others
from tieout.validation.evidence.author.drivers import Place
from tieout.validation.evidence.author.inputs import Input, Study, chosen
from tieout.validation.evidence.sizes import SIZES

STUDY = Study(Path("study"), Path("study/swing.duckdb"), Path("bait"))
SCHEMAS = [ledger_schema(), RECORDS]
TOY = Schema(
    "toy", 1, "create table toy (id bigint not null, word varchar not null);", {"toy_view": "create view"}, {}
)


def kinds(*schemas: Schema) -> dict[str, list[Input]]:
    return journals.kinds(STUDY, [*SCHEMAS, *schemas]) | others.kinds(STUDY)


def test_every_registered_command_has_a_driver_and_no_other() -> None:
    assert sorted(drivers.registered()) == sorted(drivers.DRIVERS)


def test_every_input_goes_to_every_command() -> None:
    place = Place(Path("a/b.duckdb"), Path("out"), Path("study"), ("equity",), ("transfer",))
    seldom = {"demo", "bench"}
    for turn, item in enumerate(chosen(kinds(), 100, 1)):
        commands = [call.command for call in drivers.invocations(item, place, turn)]
        assert len(commands) == len({*commands})
        assert drivers.DRIVERS.keys() - {*commands} <= seldom
    assert seldom <= {call.command for call in drivers.invocations(item, place, 0)}


def test_ci_takes_more_than_two_hundred_inputs_of_every_kind() -> None:
    size = SIZES["inputs of a hostile author"]
    choice = Counter(item.kind for item in chosen(kinds(), size.ci, 1))

    assert size.ci >= 200
    assert kinds().keys() == choice.keys()
    assert min(choice.values()) >= 3
    assert size.long <= sum(map(len, kinds().values()))


def test_a_choice_is_the_same_for_the_same_seed() -> None:
    names = [[item.name for item in chosen(kinds(), 60, seed)] for seed in (1, 1, 2)]

    assert names[0] == names[1] != names[2]


def test_more_inputs_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"there are \d+ inputs, not 100000"):
        chosen(kinds(), 100_000, 1)


def test_a_new_table_and_a_new_view_take_part_by_themselves() -> None:
    new = {kind: len(items) - len(kinds()[kind]) for kind, items in kinds(TOY).items()}
    names = [item.name for items in kinds(TOY).values() for item in items]

    assert any(name.startswith("toy.word = ") for name in names)
    assert {"toy", "toy_view"} <= {name.partition(" ")[0] for name in names}
    assert new["view that reads"] == 2
    assert new["view without an end"] == 1


def test_every_column_with_texts_and_every_text_takes_part() -> None:
    items = kinds()["text in a column"]
    columns = {item.name.partition(" = ")[0] for item in items}

    assert columns == {
        f"{table}.{name}"
        for schema in SCHEMAS
        for table, names in (schema.columns or {}).items()
        for name, kind in names.items()
        if kind == "VARCHAR"
    }
    assert {item.text for item in items} == {*journals._texts(STUDY)}
