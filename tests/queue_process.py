"""A process with a queue, for tests: python -m tests.queue_process URL HOME EXECUTOR NOTES TASK…

Each piece of work notes "EXECUTOR STUDY NUMBER"; work for a study called "endless" then never ends. Tasks, in order:
enqueue:STUDY:NUMBER:PRIORITY, cancel:STUDY:NUMBER, take:EXECUTOR, status:STUDY:NUMBER, sleep:SECONDS, until:LINES.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep, time

from triage.dbos_queue import DbosQueue
from triage.work_queue import Lane


def main(url: str, home: Path, executor: str, notes: Path, tasks: list[str]) -> None:
    failed: list[str] = []

    def work(study: str, number: int) -> None:
        note(notes, f"{executor} {study} {number}")
        while study == "endless" and executor == "dead":
            sleep(0.1)
        if study == "twice" and not failed:
            failed.append(study)
            raise RuntimeError("once")

    queue = DbosQueue(url, home, executor, {"screen": Lane(work, 1)})
    ways: dict[str, Callable[..., None]] = {
        "enqueue": lambda s, n, p: queue.enqueue("screen", f"{s}:{n}", s, int(n), priority=int(p)),
        "cancel": lambda s, n: queue.cancel(f"{s}:{n}"),
        "take": lambda other: note(notes, f"took {queue.take_over(other)}"),
        "status": lambda s, n: note(notes, f"{s} is {queue.status(f'{s}:{n}').value}"),
        "sleep": lambda seconds: sleep(float(seconds)),
        "until": lambda lines: until(notes, int(lines)),
    }
    for task in tasks:
        name, *words = task.split(":")
        ways[name](*words)
    queue.close()


def until(notes: Path, lines: int) -> None:
    end = time() + 60
    while len(notes.read_text().splitlines() if notes.exists() else []) < lines and time() < end:
        sleep(0.02)


def note(notes: Path, line: str) -> None:
    with notes.open("a") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), sys.argv[5:])
