"""Warm child processes that decode compressed pixels within limits, so that a hostile stream ends one image only."""

import mmap
import os
import pickle
import queue
import resource
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from types import TracebackType
from typing import Self

from data_schemas.errors import UnreadablePixels
from data_schemas.study import InstanceHeader
from triage.images.decode import Frames, decode, is_compressed
from triage.images.opening import ReadLimits
from triage.images.pixels import StoredPixels


class Child:
    """One decoding process and the pipe to it.

    A plain child process, not one of multiprocessing's: those import the parent's `__main__`, and in the process of
    the page that is the page.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.pipe, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(memory_bytes)]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end(self) -> None:
        """Kills the process and waits for it."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()


class LastOpened(threading.local):
    """The object that this thread read last: of one with many frames the header is parsed once."""

    def __init__(self) -> None:
        self.key: tuple[Path, InstanceHeader] | None = None
        self.frames: Frames | None = None

    def read(
        self, path: Path, header: InstanceHeader, limits: ReadLimits, frame: int, at_least_px: int | None
    ) -> StoredPixels:
        """One frame. Raises UnreadablePixels."""
        if header.frames == 1:
            return decode(path, header, at_least_px=at_least_px, frame=frame, limits=limits)
        if self.frames is None or self.key != (path, header):
            self.forget()
            self.frames, self.key = Frames(path, header, limits), (path, header)
        return self.frames.read(frame, at_least_px)

    def forget(self) -> None:
        """Closes it."""
        if self.frames is not None:
            self.frames.opened.source.close()
        self.frames = self.key = None


class DecodePool:
    """Decodes in at most `processes` children, each image within `seconds` and `memory_bytes`; safe for threads."""

    def __init__(self, processes: int, seconds: float, memory_bytes: int, limits: ReadLimits | None = None) -> None:
        self.seconds, self.memory_bytes, self.limits = seconds, memory_bytes, limits or ReadLimits()
        self._idle: queue.LifoQueue[Child | None] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(None)
        self._mine = LastOpened()
        self._closed = threading.Event()
        self._processes = processes

    def read(
        self, path: Path, header: InstanceHeader, at_least_px: int | None = None, *, frame: int = 0
    ) -> StoredPixels:
        """The stored values of one frame; uncompressed ones are read here, compressed ones by a child.

        Raises UnreadablePixels with one sentence for damaged pixels, and for those that need more time or memory than
        the limits give; the child is then replaced.
        """
        if not is_compressed(header):
            return self._mine.read(path, header, self.limits, frame, at_least_px)
        child = self._idle.get()
        try:
            child = child or Child(self.memory_bytes)
            answer = self._ask(child, (path, header, at_least_px, frame, self.limits))
        except (EOFError, OSError, TimeoutError) as error:
            if child is not None:
                child.end()
            child = None
            slow = isinstance(error, TimeoutError)
            why = f"takes longer than {self.seconds:.0f} s to decode" if slow else "crashes its decoder"
            raise UnreadablePixels(f"the pixel data {why}; ask the sender for the image again") from error
        finally:
            self._idle.put(child)
        if isinstance(answer, UnreadablePixels):
            raise answer
        return answer

    def _ask(self, child: Child, request: tuple[object, ...]) -> StoredPixels | UnreadablePixels:
        child.pipe.send(request)
        if not child.pipe.poll(self.seconds):
            raise TimeoutError
        return receive(child.pipe)

    def close(self) -> None:
        """Ends every child; the pool must be idle."""
        for _ in range(self._processes):
            child = self._idle.get()
            if child is not None:
                child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def send(pipe: Connection, answer: StoredPixels | UnreadablePixels) -> None:
    """Sends an answer; its pixels go in memory that both processes map, for a pipe takes longer than some decoders."""
    arrays: list[pickle.PickleBuffer] = []
    body = pickle.dumps(answer, 5, buffer_callback=arrays.append)
    pipe.send((body, [array.raw().nbytes for array in arrays]))
    for array in arrays:
        shared = os.memfd_create("pixels")
        try:
            os.write(shared, array)
            send_handle(pipe, shared, os.getppid())
        finally:
            os.close(shared)


def receive(pipe: Connection) -> StoredPixels | UnreadablePixels:
    """What `send` sent; the pixels are not copied."""
    body, sizes = pipe.recv()
    arrays = []
    for size in sizes:
        shared = recv_handle(pipe)
        try:
            arrays.append(mmap.mmap(shared, size))
        finally:
            os.close(shared)
    answer: StoredPixels | UnreadablePixels = pickle.loads(body, buffers=arrays)  # noqa: S301 - our own child's
    return answer


def serve(pipe: Connection, memory_bytes: int) -> None:
    """A child's whole life: requests in, pixels or their fault out, until the parent closes the pipe (EOFError)."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    mine = LastOpened()
    while True:
        path, header, at_least_px, frame, limits = pipe.recv()
        try:
            send(pipe, mine.read(path, header, limits, frame, at_least_px))
        except UnreadablePixels as error:
            send(pipe, UnreadablePixels(error.sentence))
        except MemoryError:
            send(pipe, UnreadablePixels("the pixel data needs more memory to decode than the limit gives"))


if __name__ == "__main__":
    with Connection(int(sys.argv[1])) as to_parent, suppress(EOFError, BrokenPipeError):
        serve(to_parent, int(sys.argv[2]))
