"""DBOS Transact behind the port of triage/work_queue.py."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import Engine, create_engine, event

from triage.work_queue import Lane, WorkStatus

WORKFLOWS_VERSION = "1"
"""Raised only when the steps of a workflow change: work of another version is not taken up."""
POLL_S = 0.05
MAX_RECOVERIES = 1000
"""Crashes are counted in the store, per study; the engine's own count must not come first."""
STEP_ATTEMPTS = 8
SCHEMA = "dbos"
STATUSES = {
    "ENQUEUED": WorkStatus.WAITING,
    "DELAYED": WorkStatus.WAITING,
    "PENDING": WorkStatus.RUNNING,
    "SUCCESS": WorkStatus.DONE,
    "CANCELLED": WorkStatus.DONE,
}


class DbosQueue:
    """A WorkQueue: on SQLite in a file of its own, on PostgreSQL in a schema of the same database."""

    def __init__(self, database_url: str, home: Path, executor_id: str, lanes: Mapping[str, Lane]) -> None:
        logging.getLogger("dbos").setLevel(logging.CRITICAL)  # its lines may quote arguments of failing code
        config: DBOSConfig = {
            "name": "triage",
            "executor_id": executor_id,
            "application_version": WORKFLOWS_VERSION,
            "log_level": "CRITICAL",
            "console_log_level": "CRITICAL",
        }
        if database_url.startswith("sqlite"):
            file = home / "queue.sqlite3"
            config["system_database_url"] = f"sqlite:///{file}"
            config["system_database_engine"] = queue_engine(file)
        else:
            config["system_database_url"] = database_url
            config["dbos_system_schema"] = SCHEMA
        DBOS(config=config)
        self._workflows = {name: as_workflow(name, lane) for name, lane in lanes.items()}
        DBOS.launch()
        for name, lane in lanes.items():
            DBOS.register_queue(name, worker_concurrency=lane.width, polling_interval_sec=POLL_S)

    def enqueue(self, lane: str, key: str, study_uid: str, number: int, *, priority: int) -> None:
        """See WorkQueue."""
        with SetWorkflowID(key), SetEnqueueOptions(priority=priority):
            DBOS.enqueue_workflow(lane, self._workflows[lane], study_uid, number)

    def cancel(self, key: str) -> None:
        """See WorkQueue."""
        DBOS.cancel_workflow(key)

    def status(self, key: str) -> WorkStatus:
        """See WorkQueue."""
        found = DBOS.get_workflow_status(key)
        return WorkStatus.UNKNOWN if found is None else STATUSES.get(found.status, WorkStatus.FAILED)

    def take_over(self, executor_id: str) -> int:
        """See WorkQueue."""
        taken = 0
        for lane in self._workflows:
            left = DBOS.list_workflows(
                executor_id=executor_id, status="PENDING", queue_name=lane, load_input=False, load_output=False
            )
            if left:
                DBOS.resume_workflows([workflow.workflow_id for workflow in left], queue_name=lane)
                taken += len(left)
        return taken

    def close(self) -> None:
        """See WorkQueue."""
        DBOS.destroy(workflow_completion_timeout_sec=5)


def as_workflow(name: str, lane: Lane) -> Callable[[str, int], None]:
    """One durable step, tried again with growing pauses."""

    @DBOS.step(name=f"{name} step", retries_allowed=True, max_attempts=STEP_ATTEMPTS, interval_seconds=0.5)
    def step(study_uid: str, number: int) -> None:
        lane.work(study_uid, number)

    @DBOS.workflow(name=name, max_recovery_attempts=MAX_RECOVERIES)
    def workflow(study_uid: str, number: int) -> None:
        step(study_uid, number)

    return workflow


def queue_engine(file: Path) -> Engine:
    """DBOS sets neither WAL nor a busy timeout on SQLite by itself, and begins its transactions in its own way."""
    engine = create_engine(
        f"sqlite:///{file}", connect_args={"timeout": 30, "isolation_level": "IMMEDIATE", "check_same_thread": False}
    )

    def prepare(connection: Any, record: object) -> None:  # noqa: ANN401  # the driver's own type
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", prepare)
    return engine
