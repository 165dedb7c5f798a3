"""Uploads on their way: how much of each file lies in the spool, and what became of those that are whole.

The bytes are the memory: a part in the spool is as long as what has arrived, so a server that was killed knows after
its start where each upload goes on. Only what became of a file is kept in memory, and only of the newest.
"""

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Generator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import anyio
from starlette.concurrency import run_in_threadpool

from data_schemas.worklist import FileReport
from triage.intake.sweep import remove_abandoned

SUFFIX = ".upload.part"
MAX_KNOWN = 100
"""Uploads that ended and are kept for browsers that lost the answer; each tab sends one file at a time."""
SWEEP_S = 3600.0

Reports = Generator[FileReport, None, None]


class WrongOffset(Exception):
    """The sender does not go on where the part ends."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the file goes on at {offset}")
        self.offset = offset


class TakenOver(Exception):
    """A newer request speaks for this upload."""


@dataclass
class Arrival:
    """One file from one browser; at most one request at a time writes to its part."""

    part: Path
    reports: list[FileReport] = field(default_factory=list)
    """Grows while an archive is read; those that the browser has are let go."""
    told: int = 0
    """How many were let go."""
    reading: "asyncio.Task[None] | None" = None
    stop: threading.Event = field(default_factory=threading.Event)
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    scope: anyio.CancelScope | None = None

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def done(self) -> bool:
        """Whether every report is there."""
        return self.reading is not None and self.reading.done()

    @property
    def idle(self) -> bool:
        """Whether nothing is lost when this is forgotten but what became of an older file."""
        return self.scope is None and (self.reading is None or self.done)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Ends the request that still writes, if any, for its connection is broken. Raises TakenOver in that one."""
        if self.scope is not None:
            self.scope.cancel()
        async with self.lock:
            with anyio.CancelScope() as scope:
                self.scope = scope
                try:
                    yield
                finally:
                    self.scope = None
            if scope.cancelled_caught:
                raise TakenOver

    async def append(self, offset: int, blocks: AsyncIterable[bytes], length: int) -> None:
        """Writes on at `offset`. What came before a fault stays.

        Raises WrongOffset, ValueError for more bytes than `length`, and OSError of the disk.
        """
        if offset != self.offset:
            raise WrongOffset(self.offset)
        descriptor = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            async for block in blocks:
                offset += len(block)
                if offset > length:
                    raise ValueError("the file is longer than was stated")
                await run_in_threadpool(write_whole, file.fileno(), block)

    def begin(self, reports: Reports) -> None:
        """Starts to take the file in; `reports` belongs to this arrival from now on."""
        self.reading = asyncio.create_task(run_in_threadpool(self.gather, reports))

    def gather(self, reports: Reports) -> None:
        """Collects what became of the file, member by member, until all is read or the person cancels."""
        with closing(reports):  # its end removes what it unpacked
            for report in reports:
                self.reports.append(report)
                if self.stop.is_set():
                    return

    def since(self, first: int) -> list[FileReport]:
        """Reports from that one on; the browser has those before it."""
        known = min(max(first - self.told, 0), len(self.reports))
        del self.reports[:known]
        self.told += known
        return self.reports[max(first - self.told, 0) :]

    async def settled(self, patience_s: float) -> BaseException | None:
        """Waits that long for the reading to end; gives the fault that ended it, if any."""
        if self.reading is None:
            return None
        if not self.reading.done():
            await asyncio.wait({self.reading}, timeout=patience_s)
        return self.reading.exception() if self.reading.done() else None


class Arrivals:
    """Every upload that this process has heard of lately, by the name that its browser gave it."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.known: OrderedDict[str, Arrival] = OrderedDict()
        self.swept_at = monotonic()

    def of(self, name: str) -> Arrival:
        """The upload of that name; an unknown one begins at what its part holds."""
        arrival = self.known.setdefault(name, Arrival(self.spool / f"{name}{SUFFIX}"))
        self.known.move_to_end(name)
        return arrival

    def forget(self, name: str) -> None:
        """It starts anew the next time it is heard of."""
        self.known.pop(name, None)

    async def tidy(self) -> None:
        """Forgets the oldest that rest, and now and then removes parts that nobody wrote to for a day."""
        idle = [name for name, one in self.known.items() if one.idle]
        for name in idle[:-MAX_KNOWN]:
            self.forget(name)
        if monotonic() - self.swept_at > SWEEP_S:
            self.swept_at = monotonic()
            await run_in_threadpool(remove_abandoned, self.spool)


def write_whole(descriptor: int, block: bytes) -> None:
    """All of the block; a full disk may take a part of it first."""
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
