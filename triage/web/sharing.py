"""Questions to the database that many pages ask at once are asked once, and no page waits for ever."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from time import time
from typing import Any

import anyio

from data_schemas.worklist import Pulse
from triage.store import Store
from triage.store.worklist import pulse

PATIENCE_S = 3.0
"""A database that takes longer, for a lock or for load, does not answer as far as a person is concerned."""
KEPT = 32
THREADS = 2
"""Questions at the same time; a locked database holds no more threads than these."""


class Sharing:
    """Answers by question: those that are being made, and the newest that were made."""

    def __init__(self) -> None:
        self.running: dict[Hashable, asyncio.Task[Any]] = {}
        self.kept: OrderedDict[Hashable, Any] = OrderedDict()
        self.turns = anyio.CapacityLimiter(THREADS)

    async def pulse(self, store: Store) -> Pulse:
        """The list's pulse. Raises TimeoutError."""
        found: Pulse = await self.once("pulse", lambda: pulse(store, at=time()))
        return found

    async def lasting(self, key: Hashable, work: Callable[[], Any]) -> Any:  # noqa: ANN401  # what the work gives
        """An answer that stays true for its key; the newest ones are kept. Raises TimeoutError."""
        if key not in self.kept:
            self.kept[key] = await self.once(key, work)
        self.kept.move_to_end(key)
        found = self.kept[key]
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return found

    async def once(self, key: Hashable, work: Callable[[], Any]) -> Any:  # noqa: ANN401  # what the work gives
        """The answer that is being made for that key, else a new one. Raises TimeoutError."""
        task = self.running.get(key)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(anyio.to_thread.run_sync(work, limiter=self.turns))
            self.running[key] = task
            task.add_done_callback(lambda done: self.ended(key, done))
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if not task.done():
            raise TimeoutError("the database takes too long")
        return task.result()

    def ended(self, key: Hashable, task: "asyncio.Task[Any]") -> None:
        """Makes room; an error that nobody waits for any more was told as a time that ran out."""
        if self.running.get(key) is task:
            del self.running[key]
        if not task.cancelled():
            task.exception()
