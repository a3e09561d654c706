"""Canonical JSON: the same text for the same value, so that digests of it can be compared."""

import json

from tieout.ledger.books.commodity import text
from tieout.ledger.errors import InvalidPolicy


def canonical(value: object) -> str:
    """Return *value* as JSON with sorted keys and without white space.

    Raises `InvalidPolicy` where it holds a value that JSON cannot express.
    """
    try:
        document = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise InvalidPolicy(f"a run is described by values of JSON only: {error}") from None
    return text(document, InvalidPolicy)
