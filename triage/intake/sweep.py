"""What a crash left behind: whole files without a row are taken in again, half-written ones are removed."""

from pathlib import Path
from time import time

from data_schemas.worklist import FileReport
from triage.intake.limits import IntakeLimits
from triage.intake.take_in import Sender, take_in_file
from triage.store import Store
from triage.store.files import orphans, touched_before

SETTLED_S = 60.0
"""A file without a row for this long belongs to no transaction any more."""
ABANDONED_S = 24 * 3600.0
RECOVERED = ".recovered.part"
SENDER = Sender(ordered_priority=None, source="recovered", actor="system")


def sweep(
    store: Store, spool: Path, limits: IntakeLimits, *, settled_s: float = SETTLED_S, abandoned_s: float = ABANDONED_S
) -> list[FileReport]:
    """One report for each file that lay in the store without a row; spooled files nobody wrote to for a day go."""
    spool.mkdir(parents=True, exist_ok=True)
    reports: list[FileReport] = []
    for path in orphans(store, older_than_s=settled_s):
        path.replace(spool / f"{path.name}{RECOVERED}")
    for spooled in sorted(spool.glob(f"*{RECOVERED}")):  # those of a sweep that was cut short among them
        name = spooled.name.removesuffix(RECOVERED)
        reports += take_in_file(spooled, name, store=store, spool=spool, limits=limits, sender=SENDER)
    remove_abandoned(spool, abandoned_s)
    return reports


def remove_abandoned(spool: Path, abandoned_s: float = ABANDONED_S) -> None:
    """Half-sent files that nobody has written to for that long; others come and go meanwhile."""
    due = time() - abandoned_s
    for part in spool.glob("*.part"):
        if touched_before(part, due):
            part.unlink(missing_ok=True)
