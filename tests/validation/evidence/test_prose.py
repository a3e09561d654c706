"""Counts of prose by hand: names, docstrings, and the words of the sentences of a page."""

import ast
from pathlib import Path

import pytest

from tieout.validation.evidence.prose import (
    docstrings,
    first_word,
    is_participle,
    lengths,
    main,
    names,
    ninetieth,
)

MODULE = '''"""Whether it rains."""

def f(given, *, amount=0):
    """Return nothing."""
    found, self.own = 1, 2
    return lambda said: [row for row in found]

class Told:
    kept: int = 1
'''
PAGE = """# A heading that is no sentence

One two three. Four `five six`
seven!

- A first item.
- A second item of [five words](elsewhere).

| a | table. |
|---|---|

```
Code. More code.
```

    Indented code. More code.
"""


def nodes() -> list[ast.AST]:
    return [*ast.walk(ast.parse(MODULE))]


def test_every_name_that_a_module_gives_is_listed() -> None:
    expected = {"f", "given", "amount", "found", "own", "said", "row", "Told", "kept"}

    assert expected == {name for _, name in names(nodes())}
    assert {"given", "found", "own", "said", "Told", "kept"} == {*filter(is_participle, expected)}


def test_a_docstring_is_known_by_its_first_word() -> None:
    assert {"whether", "return"} == {first_word(text) for _, text in docstrings(nodes())}
    assert "" == first_word("`code` comes first")


def test_sentences_are_counted_without_code_tables_and_headings() -> None:
    assert [3, 3, 3, 6] == lengths(PAGE)


@pytest.mark.parametrize(("count", "expected"), [(1, 0), (10, 8), (11, 9), (20, 17)])
def test_nine_in_ten_do_not_exceed_the_percentile(count: int, expected: int) -> None:
    assert expected == ninetieth(range(count))


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main([str(tmp_path)])
    assert "is not a checkout" in capsys.readouterr().out

    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "a.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "README.md").write_text(PAGE, encoding="utf-8")
    assert 0 == main([str(tmp_path)])
    assert "README.md" in capsys.readouterr().out
