"""A process that times one engine, on requests line by line.

A request and its answer are one line of JSON each, on the standard input and output of the process. The
output of the engine itself goes to the standard error.
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
"""Sets of a grid after which memory is measured for the first time."""
_LOOK = 500
"""Sets between the later measurements."""


class Child:
    """One engine, and the contestants of its latest task."""

    def __init__(self, engine: str) -> None:
        self.engine: Any = importlib.import_module(f"tieout.validation.engines.{engine}.contestant")
        self.contestants: dict[str, Contestant] = {}
        self.task: Task

    def versions(self) -> Answer:
        """Return the engine's versions by package."""
        return {"versions": self.engine.versions()}

    def load(self, workload: str, arrays: str, rules: list[Any], folder: str) -> Answer:
        """Prepare a task. Return the names of its contestants."""
        self.contestants.clear()
        gc.unfreeze()
        gc.collect()
        loaded = {path.stem: np.load(path) for path in sorted(Path(arrays).glob("*.npy"))}
        self.task = Task(workload, loaded, Rules(*rules), Path(folder))
        self.contestants = self.engine.contestants(self.task)
        return {"names": list(self.contestants)}

    def run(self, name: str, *, check: bool) -> Answer:
        """Time a contestant once. Return its final value and number of fills too where *check* is set."""
        gc.collect()
        run = self.contestants[name]()
        value, fills = run.outcome() if check else (None, None)
        if check:
            # The collector does not walk through imported objects before every run. Walking through three
            # hundred megabytes empties every cache of the processor.
            gc.collect()
            gc.freeze()
        return {"seconds": run.seconds, "value": value, "fills": fills}

    def sweep(self) -> Answer:
        """Perform every set of the grid. Return final values, seconds, and MB before and during it."""
        perform = self.engine.by_weights(self.task)
        for weights in itertools.islice(grid.weights(self.task.arrays), _WARM_UP):
            perform(weights)
        gc.collect()
        resident = [memory.resident()]
        values = []
        with Clock() as clock:
            for number, weights in enumerate(grid.weights(self.task.arrays), start=1):
                values.append(perform(weights))
                if number % _LOOK == 0:
                    resident.append(memory.resident())
        return {"seconds": clock.seconds, "values": values, "memory": resident}


def serve(child: Child, answers: TextIO) -> None:
    """Answer every request until the input ends."""
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        method: Callable[..., Answer] = getattr(child, request.pop("do"))
        try:
            answer = method(**request)
        except Exception:  # noqa: BLE001  every error of an engine is sent to the parent
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main(engine: str) -> None:
    """Serve one engine, or report that it is not installed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory(prefix="bench-") as root:
        # zipline reads the folder of its files while it is imported.
        os.environ["ZIPLINE_ROOT"] = root
        try:
            child = Child(engine)
        except ImportError as error:
            answers.write(json.dumps({"absent": str(error)}) + "\n")
            return
        answers.write(json.dumps(child.versions()) + "\n")
        answers.flush()
        serve(child, answers)
