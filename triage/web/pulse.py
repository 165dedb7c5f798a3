"""Whether the database answers in time, asked once for all who want to know."""

import asyncio
from time import time

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from triage.store import Store
from triage.store.workers import newest_beat

PATIENCE_S = 3.0
"""A database that takes longer, for a lock or for load, does not answer as far as a person is concerned."""
SILENT_S = 60.0
"""No worker beat for this long: nothing is being screened."""
SLOW = {"database": False, "worker": False}


class Pulse:
    """One question at a time, however many pages ask: a locked database must not hold a thread for each of them."""

    def __init__(self) -> None:
        self.asked: asyncio.Task[dict[str, bool]] | None = None

    async def told(self, store: Store) -> dict[str, bool]:
        """`database`: it answers within `PATIENCE_S`; `worker`: one has beaten lately."""
        if self.asked is None or self.asked.done():
            self.asked = asyncio.create_task(run_in_threadpool(state_of, store))
        question = self.asked
        await asyncio.wait({question}, timeout=PATIENCE_S)
        return question.result() if question.done() else SLOW


def state_of(store: Store) -> dict[str, bool]:
    """Whether the database answers, and whether a worker has beaten lately."""
    try:
        beat = newest_beat(store)
    except SQLAlchemyError:
        return SLOW
    return {"database": True, "worker": beat is not None and time() - beat < SILENT_S}
