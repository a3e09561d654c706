"""The same entries give the same head digest, which can be recomputed without the ledger."""

from pathlib import Path

import pytest

from tests.support import naive
from tieout.ledger.books.commodity import currency, instrument
from tieout.ledger.books.events import buy, deposit, dividend, sell
from tieout.ledger.file.run import Policies, Run
from tieout.ledger.journal import Journal

RUN = Run(spec={"b": [1, "ü"], "a": None}, fingerprints={"prices": "0f"}, strategy="ab", seed=-7)


def post_all(journal: Journal) -> str:
    journal.post("2024-01-02", deposit, "USD", "1000", note="Einlage für März")
    journal.mark("2024-01-02T12:00:00.000000001", {"ACME": 0.1, "BRK.B": 1 / 3})
    journal.commit()
    journal.post("2024-01-03", buy, "ACME", "10", "500", "1")
    journal.open_account("Expenses:Fees:Data", floored=True)
    journal.mark("2024-01-03", {"ACME": 51.5}, stale=True)
    journal.commit()
    journal.declare(currency("EUR", 2), instrument("SAP", currency="EUR", scale=0, multiplier=2.5))
    journal.statement("2024-01-03")
    journal.post("2024-01-04", sell, "ACME", "4", "240")
    journal.post("2024-01-04", dividend, "ACME", "1")
    journal.reverse(3, "2024-01-05")
    journal.close_year("2024-12-31")
    return journal.commit().digest.hex()


def new(path: Path | None, run: Run = RUN) -> Journal:
    return Journal.create(path, [currency("USD"), instrument("ACME"), instrument("BRK.B")], run)


def test_the_chain_can_be_recomputed_from_its_description(tmp_path: Path) -> None:
    path = tmp_path / "books.duckdb"
    with new(path) as journal:
        head = post_all(journal)
    stored, computed = naive.seals(path)

    assert 4 == len(stored)
    assert computed == stored
    assert head == stored[-1]


def test_a_file_memory_and_another_performance_end_with_one_digest(tmp_path: Path) -> None:
    with new(None) as memory, new(tmp_path / "a.duckdb") as one, new(tmp_path / "b.duckdb") as other:
        heads = [post_all(journal) for journal in (memory, one, other)]
        one.close()

        assert 1 == len(set(heads))
        with Journal.replay(
            tmp_path / "a.duckdb", [currency("USD"), instrument("ACME"), instrument("BRK.B")], RUN
        ) as again:
            assert heads[0] == post_all(again)


@pytest.mark.parametrize(
    "run",
    [
        Run(),
        Run(RUN.spec, {"prices": "10"}, "ab", -7),
        Run(RUN.spec, RUN.fingerprints, "ac", -7),
        Run(RUN.spec, RUN.fingerprints, "ab", 7),
        Run(RUN.spec, RUN.fingerprints, "ab", -7, Policies("lifo")),
        Run(RUN.spec, RUN.fingerprints, "ab", -7, Policies(others={"fees": "none/1"})),
    ],
)
def test_every_input_of_the_result_determines_the_digest(run: Run) -> None:
    with new(None) as one, new(None, run) as other:
        assert one.genesis != other.genesis
        assert post_all(one) != post_all(other)


def test_blocks_handed_over_do_not_change_with_what_is_posted_next() -> None:
    policies = Policies(block_transfers=1)
    with new(None, Run(policies=policies)) as waiting, new(None, Run(policies=policies)) as stored:
        for journal in (waiting, stored):
            for day, event, args in (
                (2, deposit, ("USD", 1000)),
                (3, dividend, ("ACME", 3)),
                (4, deposit, ("USD", 5)),
            ):
                journal.post(f"2024-01-0{day}", event, *args)
                if journal is stored:
                    journal.commit()

        assert stored.head == waiting.head
