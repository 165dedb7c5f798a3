"""Which workers are alive: each beats now and then, and those silent for long have died."""

from sqlalchemy import delete, func, insert, select, update

from triage.store.database import Store, reading, writing
from triage.store.tables import workers


def beat(store: Store, executor_id: str, lane: str, now: float) -> None:
    """Notes that the worker is alive at `now`, epoch seconds. Pages are not told: nothing they show has changed."""
    with writing(store) as connection:
        values = {"lane": lane, "beat_at": now}
        found = connection.execute(update(workers).where(workers.c.executor_id == executor_id).values(values))
        if found.rowcount == 0:
            connection.execute(insert(workers).values(executor_id=executor_id, **values))


def newest_beat(store: Store) -> float | None:
    """When any worker beat last, epoch seconds; None when there is none."""
    with reading(store) as connection:
        newest: float | None = connection.execute(select(func.max(workers.c.beat_at))).scalar_one()
    return newest


def silent(store: Store, older_than_s: float, now: float) -> list[str]:
    """Workers whose last beat is older than that."""
    with reading(store) as connection:
        query = select(workers.c.executor_id).where(workers.c.beat_at < now - older_than_s)
        return list(connection.execute(query).scalars())


def forget(store: Store, executor_id: str) -> None:
    """Takes the worker off the list: it ended, or its work was taken over."""
    with writing(store) as connection:
        connection.execute(delete(workers).where(workers.c.executor_id == executor_id))
