"""The time, machine and versions with which a journal was created.

They do not determine the result and are outside the chain.
"""

import json
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("tieout", "duckdb", "numba", "numpy", "polars", "pyarrow")


def here() -> dict[str, str]:
    """Return time, host, versions, and the revision of the source where it is a checkout."""
    versions = {"python": platform.python_version()} | {name: _version(name) for name in _LIBRARIES}
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": f"{platform.node()} {platform.system()} {platform.machine()}",
        "versions": json.dumps(versions, sort_keys=True, separators=(",", ":")),
        "revision": _revision(),
    }


@cache
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _revision() -> str:
    """Return the commit of a checkout, '' for an installed package."""
    git = Path(__file__).resolve().parents[2] / ".git"
    head = git / "HEAD"
    if not head.is_file():
        return ""
    text = head.read_text().strip()
    if not text.startswith("ref: "):
        return text
    ref = git / text.removeprefix("ref: ")
    return ref.read_text().strip() if ref.is_file() else ""
