"""The files of the product, wherever it is installed: in a checkout, in an editable install, or in a wheel.

In a checkout ``tieout/ledger`` is a link, and neither `Path.rglob` nor `os.walk` follows links. The files are
therefore listed from each room, by its real path.
"""

from importlib.util import find_spec
from pathlib import Path

ROOMS = ("tieout.ledger", "tieout.execution", "tieout.strategies", "tieout.validation")
"""The packages of the product."""


def product_files(*packages: str, suffix: str = ".py") -> dict[str, Path]:
    """List the files of *packages* (default: all rooms) and their subpackages by dotted module name.

    A file of another suffix is named the same way: ``tieout.ledger.views.lot`` for ``ledger/views/lot.sql``.
    Raises `ModuleNotFoundError` where a package is missing.
    """
    files: dict[str, Path] = {}
    for package in packages or ROOMS:
        spec = find_spec(package)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        for location in spec.submodule_search_locations or []:
            folder = Path(location).resolve()
            for path in sorted(folder.rglob(f"*{suffix}")):
                parts = path.relative_to(folder).with_suffix("").parts
                files[".".join((package, *parts)).removesuffix(".__init__")] = path
    return files
