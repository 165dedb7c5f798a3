"""Runs the producer or the worker and kills this process, as a power cut would, at one named step.

python -m tests.crash.at_step STEP producer|worker|rescreen [ARGUMENTS…]
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS: dict[str, tuple[str, str, str]] = {
    # who: module, function, before or after
    "before the file is named": ("triage.store.receive", "settle", "before"),
    "between file and row": ("triage.store.receive", "settle", "after"),
    "row written, trail not": ("triage.store.receive", "note", "before"),
    "trail written, nothing committed": ("triage.store.receive", "note", "after"),
    "committed, not acknowledged": ("triage.intake.take_in", "receive", "after"),
    "handed to the queue": ("triage.dbos_queue.DbosQueue", "enqueue", "after"),
    "before it is begun": ("triage.worker", "begin_screening", "before"),
    "begun": ("triage.worker", "begin_screening", "after"),
    "map written, no row": ("triage.store.screenings", "save_map", "after"),
    "result written, trail not": ("triage.store.screenings", "event_of", "before"),
    "result written, nothing committed": ("triage.store.screenings", "event_of", "after"),
    "result committed": ("triage.worker", "record_screening", "after"),
    "slower map made, not written": ("triage.worker", "record_explanations", "before"),
    "slower map written": ("triage.worker", "record_explanations", "after"),
    "found, none queued": ("triage.store.again", "queue_batch", "before"),
    "rows queued, trail not": ("triage.store.again", "note", "before"),
    "rows and trail, nothing committed": ("triage.store.again", "bump", "after"),
    "a batch committed, others not": ("triage.store.again", "queue_batch", "after"),
}
PRODUCER_STEPS = list(STEPS)[:5]
WORKER_STEPS = list(STEPS)[5:14]
RESCREEN_STEPS = list(STEPS)[14:]


def arm(step: str) -> None:
    """Wraps the step's function so that its first call is the last thing this process does."""
    import importlib

    module, name, moment = STEPS[step]
    holder: Any
    try:
        holder = importlib.import_module(module)
    except ModuleNotFoundError:
        parent, _, kind = module.rpartition(".")
        holder = getattr(importlib.import_module(parent), kind)
    original: Callable[..., Any] = getattr(holder, name)

    def deadly(*arguments: Any, **named: Any) -> None:
        if moment == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, deadly)


def main(step: str, who: str, *arguments: str) -> None:
    import triage.dbos_queue  # every step's module is loaded before one is armed
    import triage.rescreening
    import triage.worker

    arm(step)
    if who == "producer":
        from tests.crash.producer import main as produce

        produce(Path(arguments[0]), Path(arguments[1]))
    elif who == "rescreen":
        import triage.store.again
        from triage.cli import rescreen

        triage.store.again.BATCH = int(arguments[0])
        rescreen(home=None)
    else:
        from triage.cli import worker

        worker(home=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
