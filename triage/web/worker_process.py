"""The worker that belongs to this page: started with it, started again when it dies, ended with it."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from triage.settings import Settings

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
PATIENCE_S = 15.0
"""How long the worker may take to put down what it is doing."""
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


@asynccontextmanager
async def worker_kept(settings: Settings) -> AsyncIterator[None]:
    """Keeps one worker running. Enter from the main thread: the kernel ends the worker when the thread that started it
    ends, even if this process is killed; the closed pipe says the same where the kernel does not."""
    keeper = asyncio.create_task(keep(settings))
    try:
        yield
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper


async def keep(settings: Settings) -> None:
    """Starts the worker again and again, with growing pauses while it dies young; cancel to end it."""
    pause = FIRST_PAUSE_S
    while True:
        started = monotonic()
        worker = await start(settings)
        try:
            await worker.wait()
        finally:
            await end(worker)
        pause = FIRST_PAUSE_S if monotonic() - started > LONGEST_PAUSE_S else min(pause * 2, LONGEST_PAUSE_S)
        await asyncio.sleep(pause)


async def start(settings: Settings) -> asyncio.subprocess.Process:
    """A worker with the very settings of this page."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "triage",
        "worker",
        env={**os.environ, **as_environment(settings)},
        stdin=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
        start_new_session=True,  # Ctrl-C in the terminal reaches the page, which then ends the worker in order
    )


async def end(worker: asyncio.subprocess.Process) -> None:
    """Asks the worker to stop, waits, and insists if it does not."""
    if worker.stdin is not None:
        worker.stdin.close()
    if worker.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), PATIENCE_S)
    except TimeoutError:
        worker.kill()
        await worker.wait()


def die_with_parent() -> None:
    """In the child, before it becomes the worker; only a system call, as little may be done there."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def as_environment(settings: Settings) -> dict[str, str]:
    """The settings as variables, as settings.py reads them."""
    return {f"TRIAGE_{name.upper()}": str(value) for name, value in settings.model_dump(mode="json").items()}
