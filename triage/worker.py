"""Makes the path of a study durable: what waits in the store is screened, whatever is killed in between.

One pass over a study is safe to repeat: its result is written once, by one transaction, together with the trail. A
study that ends its worker again and again is set down as not scored, with that reason.
"""

import fcntl
import logging
import os
import signal
import socket
import stat
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from threading import Condition, Event, Thread
from time import sleep, time

from data_schemas.errors import SettingsError, TriageError
from data_schemas.explanation import Explanation
from data_schemas.score import StudyScreening
from triage.assembly import Screener, intake_limits
from triage.intake.sweep import sweep
from triage.screening import gave_up
from triage.settings import Settings
from triage.store import Store
from triage.store.screenings import Begun, attempts, begin_screening, record_explanations, record_screening
from triage.store.studies import study_record, study_to_screen
from triage.store.workers import beat, forget, silent
from triage.store.worklist import pending, still_pending, version, without_map
from triage.work_queue import Lane, WorkQueue, WorkStatus

MAX_ATTEMPTS = 5
"""A study that was begun this often without an end is not begun again."""
ALONE_FROM = 3
"""From this beginning on a study is screened alone, so that what it breaks is not counted against its neighbours."""
DISPATCH_S = 0.1
LOOK_S = 1.0
"""A study whose quiet time is over tells nobody: it is looked for."""
BEAT_S = 5.0
SILENT_S = 60.0
"""A worker that has not beaten for this long has died; its work is taken over."""
AHEAD = 100
"""Studies handed to the queue ahead of the work."""
SLOTS = 64
SCREEN, EXPLAIN = "screen", "explain"
log = logging.getLogger("triage.worker")


class WorkFailed(Exception):
    """An unexpected fault, already logged; the study still waits and is begun again, a few times at the most."""


class Turns:
    """Who may work now: any number together, or one alone."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._together, self._alone = 0, False

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Waits for its turn and holds it for the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not (alone and self._together))
            self._alone = alone
            self._together += not alone
        try:
            yield
        finally:
            with self._changed:
                self._together -= not alone
                self._alone = False
                self._changed.notify_all()


def screen_study(store: Store, screener: Screener, turns: Turns, study_uid: str) -> None:
    """Screens the study's newest images and writes the result; nothing when that is done already."""
    with turns.take(alone=attempts(store, study_uid) + 1 >= ALONE_FROM):
        begun = begin_screening(store, study_uid)
        if begun is not None:
            record_screening(store, *result_of(screener, begun), revision=begun.revision)


def result_of(screener: Screener, begun: Begun) -> tuple[StudyScreening, tuple[Explanation, ...]]:
    """What screening gives; for a study that cannot be screened, that in words. Raises WorkFailed to be tried again."""
    if begun.attempts > MAX_ATTEMPTS:
        return gave_up(begun.request, f"screening it failed {MAX_ATTEMPTS} times; see the worker's log"), ()
    try:
        return screener.process(begun.request, begun.points)
    except TriageError as error:
        return gave_up(begun.request, error.sentence), ()
    except Exception as error:
        log_fault("screening", error)
        raise WorkFailed from error


def explain_study(store: Store, screener: Screener, study_uid: str) -> None:
    """Makes the slower maps of a study whose score is committed; nothing when there is nothing to explain."""
    record = study_record(store, study_uid)
    if record.screening is not None and record.screening.findings:
        try:
            maps = screener.explain_later(study_to_screen(store, study_uid), record.screening)
        except Exception as error:
            log_fault("explaining", error)
            raise WorkFailed from error
        record_explanations(store, study_uid, maps)


def work_until_done(
    store: Store, settings: Settings, study_uids: Collection[str], on_done: Callable[[], None] = lambda: None
) -> None:
    """Returns when none of the studies waits any more.

    Where a worker serves this home already, it is left to it; else the work is done here, `worker_threads` studies at a
    time, the most urgent first.
    """
    left = still_pending(store, study_uids)
    while left:
        with worker_slot(settings, store) as slot:
            if slot is not None:
                with Screener(settings) as screener:
                    screener.warm_up()
                    work_through(store, screener, left, settings.worker_threads, on_done)
            else:
                sleep(DISPATCH_S)
        now = still_pending(store, study_uids)
        for _ in range(len(left) - len(now) if slot is None else 0):
            on_done()
        left = now


def work_through(
    store: Store, screener: Screener, study_uids: list[str], threads: int, on_done: Callable[[], None]
) -> None:
    """Each study once, in this order."""
    turns = Turns()
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[None]] = set()
        for uid in study_uids:
            if len(running) >= threads:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                finish(ended, on_done)
            running.add(pool.submit(screen_study, store, screener, turns, uid))
        finish(wait(running).done, on_done)


def finish(ended: Collection[Future[None]], on_done: Callable[[], None]) -> None:
    """Counts what ended; a study that failed still waits and is not counted."""
    for future in ended:
        with suppress(WorkFailed):
            future.result()
            on_done()


def run_worker(store: Store, settings: Settings) -> None:
    """Screens and explains what waits until the process is asked to stop, or its parent's pipe closes.

    Raises SettingsError when another worker serves the same embedded database.
    """
    # The engine takes half a second to import, which a command that screens by itself need not pay.
    from triage.dbos_queue import DbosQueue

    with worker_slot(settings, store) as slot, Screener(settings) as screener:
        if slot is None:
            raise SettingsError(f"another worker already serves {settings.home}")
        stop = stop_event()
        sweep(store, settings.spool, intake_limits(settings))
        screener.warm_up()
        executor_id = f"{socket.gethostname()}-{slot}"
        turns = Turns()
        lanes = {
            SCREEN: Lane(lambda uid, _: screen_study(store, screener, turns, uid), settings.worker_threads),
            EXPLAIN: Lane(lambda uid, _: explain_study(store, screener, uid), 1),
        }
        queue = DbosQueue(settings.url, settings.home, executor_id, lanes)
        try:
            dispatch(store, queue, executor_id, stop)
        finally:
            queue.close()
            forget(store, executor_id)


def dispatch(store: Store, queue: WorkQueue, executor_id: str, stop: Event) -> None:
    """Hands waiting studies to the queue; the slower maps only when no study waits."""
    handed: dict[str, float] = {}
    keys: dict[str, Work] = {}
    beaten, looked, seen = 0.0, 0.0, 0
    while not stop.wait(DISPATCH_S):
        now_seen = version(store)
        if now_seen != seen or time() - looked > LOOK_S:
            looked, seen, keys = time(), now_seen, work_to_do(store)
        handed = {key: since for key, since in handed.items() if key in keys}
        for key, (lane, uid, number, priority) in keys.items():
            if key not in handed:
                queue.enqueue(lane, key, uid, number, priority=priority)
                handed[key] = time()
            elif lane == SCREEN and time() - handed[key] > SILENT_S and queue.status(key) in ENDED:
                # the engine has given the work up or lost it, and the study still waits
                queue.enqueue(lane, f"{key}:{int(time())}", uid, number, priority=priority)
                handed[key] = time()
        if time() - beaten > BEAT_S:
            beaten = time()
            beat(store, executor_id, SCREEN, beaten)
            for dead in silent(store, SILENT_S, beaten):
                queue.take_over(dead)
                forget(store, dead)


Work = tuple[str, str, int, int]
"""Lane, study UID, number, priority."""


def work_to_do(store: Store) -> dict[str, Work]:
    """By key: the studies that wait, or where none does, those that lack the slower map."""
    waiting = pending(store, limit=AHEAD)
    if waiting:
        return {f"{uid}:{revision}": (SCREEN, uid, revision, place + 1) for uid, revision, place in waiting}
    missing = without_map(store, "saliency", limit=AHEAD)
    return {f"{EXPLAIN} {uid}:{number}": (EXPLAIN, uid, number, 1) for uid, number in missing}


ENDED = (WorkStatus.FAILED, WorkStatus.UNKNOWN, WorkStatus.DONE)


def log_fault(what: str, error: Exception) -> None:
    """An unexpected fault by its kind and place, never by its words, which may quote a patient's data."""
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s failed with %s\n%s", what, type(error).__name__, place)


@contextmanager
def worker_slot(settings: Settings, store: Store) -> Iterator[int | None]:
    """A number that no other living worker of this home has, one for the embedded database; None if all are taken."""
    for slot in range(1 if store.embedded else SLOTS):
        with (settings.home / f"worker-{slot}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield slot
            return
    yield None


def stop_event() -> Event:
    """Set by SIGTERM or SIGINT, and by the end of a parent that holds our standard input as a pipe."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):

        def watch() -> None:
            sys.stdin.buffer.read()
            stop.set()

        Thread(target=watch, daemon=True).start()
    return stop
