"""Specs that no honest author writes: one clear sentence each, from a file and from a journal."""

import json
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.execution.spec.test_spec import WHOLE
from tieout import Bars
from tieout.execution.errors import CannotReperform, ExecutionError, InvalidSpec
from tieout.execution.replay.description import source_of
from tieout.execution.replay.reperformance import RunRecord, differences
from tieout.execution.spec.assembly import assemble
from tieout.execution.spec.journal import spec_of
from tieout.execution.spec.reading import read
from tieout.ledger.application import application
from tieout.ledger.errors import LedgerError
from tieout.ledger.file.run import Run
from tieout.strategies.top import Top

GENERATED = (
    '[bars]\ngenerated = "tieout.strategies.universe:generate"\nparameters = { days = 30, stocks = 3 }\n'
    '[strategy]\nname = "tieout.strategies.top:Top"\n'
)
DEEP = 20_000


def sentence(path: Path, content: str | bytes) -> str:
    """Write a spec and run it. Return the one sentence of its refusal."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = CliRunner().invoke(application(), ["run", str(path), "--journal", str(path.with_suffix(".db"))])
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n")), result.output
    return result.stderr.removeprefix(f"tieout: {path}").rstrip()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a = " + "[" * DEEP + "]" * DEEP, ": its values are nested too deeply"),
        ("a = " + "{b = " * DEEP, ": its values are nested too deeply"),
        (".".join("a" * DEEP) + " = 1", ": its values are nested too deeply"),
        (f"[{'.'.join('a' * DEEP)}]", ": its values are nested too deeply"),
        ("x = { " + ".".join(['"a"'] * DEEP) + " = 1 }", ": its values are nested too deeply"),
        ("a = " + "[" * 40 + "]" * 40, ", line 1: the values are nested more than 32 levels deep"),
        ("[run]\nseed = " + "7" * 5000, ": it has a whole number of more than 100 digits"),
        ("[run]\nseed = 0x" + "7" * 5000, ", line 2: seed is a whole number of more than 100 digits"),
        (
            GENERATED + "[run]\nseed = 9223372036854775808",
            ", line 7: seed is a whole number of 64 bits, not 9",
        ),
        (
            GENERATED + "[run]\nblock_transfers = 0",
            ", line 7: a block holds 1 to 100,000,000 transfers, not 0",
        ),
        (GENERATED + '[run]\njournal = "a\\u0000b"', ", line 7: journal has the character NUL"),
        (GENERATED + '[run]\n"a\\u0000b" = 1', ", line 6: a key has the character NUL"),
        (GENERATED.replace("30", "-30"), ", line 3: days is a whole number from 2 on, not -30"),
        (GENERATED.replace("30", '"30"'), ", line 3: days is a whole number from 2 on, not '30'"),
        (GENERATED.replace("30", "3.5"), ", line 3: days is a whole number from 2 on, not 3.5"),
        (GENERATED.replace("30", "true"), ", line 3: days is a whole number from 2 on, not True"),
        (
            GENERATED.replace("30", "10000000").replace("3 }", "10000000 }"),
            (
                ", line 3: 10,000,000 stocks on 10,000,000 days are 100,000,000,000,000 bars, which take"
                " 18,626,451 GiB; ask for 10,000,000 bars at most"
            ),
        ),
        (GENERATED.replace("30", "90000"), ", line 3: days is 90,000; ask for 60,000 at most"),
        (GENERATED.replace("3 }", "2000 }"), ", line 3: stocks is 2,000; ask for 1,000 at most"),
        (GENERATED.replace("3 }", "3, seed = -1 }"), ", line 3: seed is a whole number from 0 on, not -1"),
        (GENERATED.replace("3 }", "3, information = 2 }"), ", line 3: information is a number from 0 to 1"),
        ("#" * (5 * 2**20), " has more than 4,194,304 bytes; a spec is a short text"),
        ("x = 1".encode("utf-16"), ": this is not TOML: 'utf-8' codec can't decode"),
        ('note = """\n"a\\q" = 3\n"""', ": this is not TOML: "),
        ("note = '''\n\"a\\q\" = 3\n'''", ", line 1: there is no key 'note'"),
    ],
)
def test_a_hostile_spec_is_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert sentence(tmp_path / "odd.toml", content).startswith(message)


def test_a_value_that_is_a_megabyte_long_is_quoted_in_part(tmp_path: Path) -> None:
    text = sentence(tmp_path / "odd.toml", GENERATED + f'[run]\nfill = "{"x" * 2**20}"')

    assert 1_100 > len(text)
    assert re.fullmatch(r", line 7: fill is one of next_open, same_close, not 'x+ \.\.\. x+'", text)


@pytest.mark.parametrize("name", [".", "/dev/zero"])
def test_what_is_no_text_file_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match=r"cannot be read: Is a directory$|has more than 4,194,304 bytes"):
        read(Path(name))


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "notepad.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GENERATED.replace("\n", "\r\n").encode())

    assert 30 == len(assemble(read(path)).bars)


def no_memory() -> Bars:
    raise MemoryError


def test_a_generator_that_fails_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(GENERATED.replace("tieout.strategies.universe:generate", f"{__name__}:no_memory"))
    path.write_text(path.read_text().replace("parameters = { days = 30, stocks = 3 }\n", ""))

    with pytest.raises(InvalidSpec, match=r", line 1: .*:no_memory fails: MemoryError\(\)$"):
        assemble(read(path))


# --- descriptions in a journal ---------------------------------------------------------------------------


@cache
def description(folder: Path) -> str:
    """Return the description that a journal would record of a spec with all tables."""
    rows = {"date": ["2024-01-03", "2024-01-04"], "symbol": "A", "close": 4.0}
    prices = dict.fromkeys(("open", "high", "low"), 4.0) | {"volume": 9.0}
    pl.DataFrame(rows).with_columns(pl.col("date").str.to_date(), **prices).write_parquet(
        folder / "prices.parquet"
    )
    (folder / "scores.csv").write_text("timestamp,symbol,score\n2024-01-03,A,1\n")
    (folder / "context.csv").write_text("timestamp,vix\n2024-01-03,1\n")
    (folder / "whole.toml").write_text(WHOLE)
    return json.dumps(assemble(read(folder / "whole.toml")).description().spec)


def recorded(spec: object, policies: object = None, strategy: str = "") -> Any:
    """Return what `spec_of` reads of a journal. *spec* is its description, or the text of it."""
    good = {"others": {"execution": {}, "block_bars": 5}, "relief": "fifo", "block_transfers": 9}
    row = {"spec": spec if isinstance(spec, str) else json.dumps(spec), "seed": 1, "strategy": strategy}
    return SimpleNamespace(path=Path("odd.duckdb"), run=row, policies=good if policies is None else policies)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "its description of the run is not JSON: Expecting value"),
        ("[" * DEEP, "its description of the run is not JSON: maximum recursion depth exceeded"),
        ('{"bars": 1' + "0" * 5000 + "}", "its description of the run is not JSON: Exceeds the limit"),
        ("null", "its description of the run is not a JSON object"),
        ("[]", "its description of the run is not a JSON object"),
        ("{}", "the bars of this run were given in memory; build the same Backtest in Python"),
        ('{"bars": {"path": "a\\u0000"}}', "path has the character NUL"),
        ('{"bars": {"path": "\\ud800"}}', "path is not text: it has half of a surrogate pair"),
        ('{"bars": {}, "\\ud800": 1}', "a key is not text: it has half of a surrogate pair"),
        ('{"bars": 3}', "its description of the run cannot be read: KeyError('strategy')"),
    ],
)
def test_a_hostile_description_is_one_sentence(spec: str, message: str) -> None:
    with pytest.raises(CannotReperform) as error:
        spec_of(recorded(spec), Path())
    assert str(error.value).startswith(f"odd.duckdb: {message}")


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"program": "signals"}, "the program of this run was given in memory; build the same Backtest"),
        ({"class": ":Mine", "parameters": {}}, "the strategy of this run was in a script; build the same"),
    ],
)
def test_a_strategy_that_no_file_holds_is_one_sentence(
    tmp_path: Path, strategy: object, message: str
) -> None:
    spec = json.loads(description(tmp_path)) | {"strategy": strategy}

    with pytest.raises(CannotReperform, match=rf"^odd\.duckdb: {message}"):
        spec_of(recorded(spec), tmp_path)


@pytest.mark.parametrize("policies", [{}, {"others": None}, {"others": []}, {"others": {}}, 3, []])
def test_policies_of_no_backtest_are_one_sentence(policies: object) -> None:
    with pytest.raises(CannotReperform, match=r"^odd\.duckdb: this journal was not written by a backtest$"):
        spec_of(recorded({}, policies), Path())


@pytest.mark.parametrize("column", ["spec", "fingerprints", "policies"])
@pytest.mark.parametrize("text", ["null", "3", "[" * DEEP, '{"bars": 3}', '{"bars": {"bars": "x"}}', "{"])
def test_a_record_that_cannot_be_compared_is_one_sentence(column: str, text: str) -> None:
    record, run = small_record()
    odd = evolve(record, row={**record.row, column: text})

    for read_record in (lambda: odd.run.policies, lambda: differences(odd, run)):
        try:
            read_record()
        except CannotReperform as error:
            assert str(error).startswith("small.duckdb: ")  # noqa: PT017  some of it can be read


@cache
def small_record() -> tuple[RunRecord, Run]:
    with TemporaryDirectory() as folder:
        (Path(folder) / "small.toml").write_text(GENERATED)
        backtest = assemble(read(Path(folder) / "small.toml"))
        path = Path(folder) / "small.duckdb"
        backtest.run(path).close()
        return evolve(RunRecord.read(path), path=Path("small.duckdb")), backtest.description()


ODD: list[Any] = [
    *(None, True, -1, 0, 10**18, 10**30, -0.0, 1e308, "", "a", "\0", "../..", "/etc/passwd", "x" * 3000),
    *([], {}, [[]], [None], {"": {}}, {"path": "prices.parquet"}, ["2024-01-01"], "tieout.__main__:main"),
    *("os:system", "tieout.execution.data.bars:as_bars", "9" * 90, "\x1b[2J", "\ud800"),
]


def mutate(value: Any, random: random.Random, depth: int = 0) -> Any:
    """Replace, drop or add one part of a description."""
    if not (isinstance(value, dict | list) and value) or random.random() < 0.1 * depth:
        return random.choice(ODD)
    parts = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    key = random.choice(list(parts))
    match random.randrange(8):
        case 0:
            del parts[key]
        case 1 if isinstance(value, dict):
            parts[random.choice(["odd", "path", "kind", "columns", "generated"])] = random.choice(ODD)
        case _:
            parts[key] = mutate(parts[key], random, depth + 1)
    return parts if isinstance(value, dict) else list(parts.values())


def ends_well(build: Callable[[], object]) -> None:
    """Check that a spec is built, or refused in one sentence."""
    try:
        build()
    except (ExecutionError, LedgerError) as error:
        assert str(error).strip()  # noqa: PT017  most end here, some are built


@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_a_description_that_was_tampered_with_is_built_or_refused(
    tmp_path_factory: pytest.TempPathFactory, random: random.Random, count: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    spec = json.loads(description(folder))
    for _ in range(count):
        spec = mutate(spec, random)

    source = recorded(spec, strategy=source_of(Top))

    ends_well(lambda: assemble(spec_of(source, folder, may_run_other=random.random() < 0.5)))


@settings(max_examples=100)
@given(st.randoms(use_true_random=False), st.integers(1, 3))
def test_a_spec_that_was_tampered_with_is_built_or_refused(
    tmp_path_factory: pytest.TempPathFactory, random: random.Random, count: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    description(folder)
    text, path = WHOLE, folder / "odd.toml"
    literals = [
        '""',
        '"\\u0000"',
        "nan",
        "-1",
        "1e400",
        "[]",
        "{}",
        "0xffffffffffffffffffff",
        "2024-13-01",
        "[[",
    ]
    for _ in range(count):
        start = random.randrange(len(text))
        match random.randrange(3):
            case 0:
                values = list(re.finditer(r"= (.+)", text))
                value = random.choice(values)
                text = f"{text[: value.start(1)]}{random.choice(literals)}{text[value.end(1) :]}"
            case 1:
                text = text[:start] + text[start + random.randrange(40) :]
            case _:
                text = (
                    text[:start]
                    + random.choice(["\0", "\ufeff", "\x1b[2J", "[", '"', "=", "\n"])
                    + text[start:]
                )
    path.write_text(text, encoding="utf-8")

    ends_well(lambda: assemble(read(path)))
