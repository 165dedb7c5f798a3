"""The port to the engine of durable work.

What must be done stands in the store: a study whose revision is ahead of the screened one waits. The queue only spreads
that work over threads, processes and machines, most urgent first, and takes it up again after a crash; its own tables
may be lost at any time without losing a study.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class WorkStatus(Enum):
    """Where a piece of work is."""

    UNKNOWN = "unknown"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Lane:
    """One kind of work and how many pieces of it one process does at a time."""

    work: Callable[[str, int], None]
    """Study UID and number to nothing: whatever it does, it must be safe to do again."""
    width: int


class WorkQueue(Protocol):
    """What the worker asks of an engine."""

    def enqueue(self, lane: str, key: str, study_uid: str, number: int, *, priority: int) -> None:
        """Hands work over once, however often it is called with the same key; smaller priorities first, from 1."""

    def cancel(self, key: str) -> None:
        """Takes waiting work back; running work ends at its next step."""

    def status(self, key: str) -> WorkStatus:
        """Where the work is."""

    def take_over(self, executor_id: str) -> int:
        """Puts the running work of a dead process back into its lane; gives how many pieces."""

    def close(self) -> None:
        """Lets running work end, within seconds, and stops."""
