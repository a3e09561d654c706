"""The list of the product's files."""

import pytest

from tieout.ledger.product import product_files


def test_files_are_named_as_modules_in_every_subfolder() -> None:
    modules = product_files("tieout.ledger")
    views = product_files("tieout.ledger", suffix=".sql")

    assert {"tieout.ledger", "tieout.ledger.journal", "tieout.ledger.books.posting"} <= modules.keys()
    assert "lot.sql" == views["tieout.ledger.views.lot"].name


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'tieout\.nothing'"):
        product_files("tieout.nothing")
