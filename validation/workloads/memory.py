"""Memory of this process, now and at its peak."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_UNIT = 2**20 if sys.platform == "darwin" else 2**10


def resident() -> float:
    """Return the MB in use, or the peak where the system does not report them."""
    return _field("VmRSS")


def peak() -> float:
    """Return the peak in MB since the process began, or since `forget_peak`."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Reset the peak to the memory in use, where the system can."""
    with suppress(OSError):
        _RESET.write_text("5", "ascii")


def _field(name: str) -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text("ascii", "replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
