"""A process that times one engine, as it is told line by line.

A request and its answer are one line of JSON each, on the standard input and output of the process; what an
engine prints goes to its standard error.
"""

import gc
import importlib
import itertools
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tieout.validation.workloads import grid, memory
from tieout.validation.workloads.task import Clock, Contestant, Rules, Task

Answer = dict[str, Any]
_WARM_UP = 20
"""Sets of a grid after which memory is looked at for the first time."""
_LOOK = 500
"""Then after so many each."""


class Child:
    """One engine, and the contestants of the task that it was given last."""

    def __init__(self, engine: str) -> None:
        self.engine: Any = importlib.import_module(f"tieout.validation.engines.{engine}.contestant")
        self.contestants: dict[str, Contestant] = {}
        self.task: Task

    def versions(self) -> Answer:
        """The engine's versions by package."""
        return {"versions": self.engine.versions()}

    def load(self, workload: str, arrays: str, rules: list[Any], folder: str) -> Answer:
        """Prepare a task; the names of those that can be timed on it."""
        self.contestants.clear()
        gc.unfreeze()
        gc.collect()
        held = {path.stem: np.load(path) for path in sorted(Path(arrays).glob("*.npy"))}
        self.task = Task(workload, held, Rules(*rules), Path(folder))
        self.contestants = self.engine.contestants(self.task)
        return {"names": list(self.contestants)}

    def run(self, name: str, *, check: bool) -> Answer:
        """Time a contestant once; its final value and number of fills where they are to be checked."""
        gc.collect()
        done = self.contestants[name]()
        value, fills = done.outcome() if check else (None, None)
        if check:
            # What is imported by now stays, and is not walked through before every run: of three hundred
            # megabytes that empties every cache of the processor.
            gc.collect()
            gc.freeze()
        return {"seconds": done.seconds, "value": value, "fills": fills}

    def sweep(self) -> Answer:
        """Perform every set of the grid: final values, seconds, and memory in MB before and on the way."""
        perform = self.engine.by_weights(self.task)
        for weights in itertools.islice(grid.weights(self.task.arrays), _WARM_UP):
            perform(weights)
        gc.collect()
        held = [memory.resident()]
        values = []
        with Clock() as clock:
            for number, weights in enumerate(grid.weights(self.task.arrays), start=1):
                values.append(perform(weights))
                if number % _LOOK == 0:
                    held.append(memory.resident())
        return {"seconds": clock.seconds, "values": values, "memory": held}


def serve(child: Child, answers: TextIO) -> None:
    """Answer until there is nothing more to read."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        method: Callable[..., Answer] = getattr(child, request.pop("do"))
        try:
            answer = method(**request)
        except Exception:  # noqa: BLE001  whatever an engine raises is told to the parent
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main(engine: str) -> None:
    """Serve one engine; where it is not installed, say so and end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        # zipline reads where its files go while it is imported.
        os.environ["ZIPLINE_ROOT"] = root
        try:
            child = Child(engine)
        except ImportError as error:
            answers.write(json.dumps({"absent": str(error)}) + "\n")
            return
        answers.write(json.dumps(child.versions()) + "\n")
        answers.flush()
        serve(child, answers)
