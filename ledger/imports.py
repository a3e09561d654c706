"""The folders that modules are imported from, without the current folder.

``python -m`` and ``python -c`` put the current folder first among them. A `duckdb.py` that lies beside a
stranger's journal would be run in place of the library. The command imports this module before all others, so
it imports only what Python has loaded when it starts.
"""

import os
import sys

SAFE_PATH = "PYTHONSAFEPATH"
"""The variable that keeps a child, and its own children, from importing from the current folder."""


def import_path() -> list[str]:
    """Return the folders of imports without the current one.

    The current folder stays if PYTHONPATH names it, or if the running `tieout` lies in it.
    """
    try:
        current = os.path.realpath(os.curdir)
    except FileNotFoundError:  # the folder was deleted
        current = ""
    exceptions = {os.path.realpath(folder) for folder in [*named_folders(), _home()]}
    folders = (os.path.join(current, folder) for folder in sys.path)
    return [
        os.path.normpath(folder)
        for folder in folders
        if os.path.isabs(folder) and (os.path.realpath(folder) != current or current in exceptions)
    ]


def named_folders() -> list[str]:
    """List the folders that PYTHONPATH names. An empty entry, as in ``:/lib``, names none."""
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]


def leave_current_folder() -> None:
    """Take the current folder out of the imports of this process, and of the processes that it starts."""
    sys.path[:] = import_path()
    os.environ[SAFE_PATH] = "1"


def _home() -> str:
    """Return the folder that holds the running `tieout`: a checkout, or the folder of all packages."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
