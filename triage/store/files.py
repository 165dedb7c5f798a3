"""Files by content and by UID: written beside, synced, renamed, and only then known to the database."""

import hashlib
import os
from pathlib import Path
from time import time

from sqlalchemy import select

from triage.store.database import Store, reading
from triage.store.tables import instances


def instance_path(sop_uid: str) -> str:
    """Where an instance lies below the folder of files; made from the hash of its UID, never from a patient's data."""
    name = hashlib.sha256(sop_uid.encode()).hexdigest()
    return f"instances/{name[:2]}/{name}.dcm"


def map_path(content: bytes) -> str:
    """Where a map lies below the folder of files, by its content."""
    name = hashlib.sha256(content).hexdigest()
    return f"maps/{name[:2]}/{name}.npz"


def settle(part: Path, final: Path) -> None:
    """Moves a written file to its final name so that a power cut leaves either no file or the whole file there."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(final)
    sync_folder(final.parent)
    sync_folder(final.parent.parent)


def write_whole(final: Path, content: bytes) -> None:
    """Writes a file that is either there as a whole or not at all; an equal one that is there already is kept."""
    if final.exists():
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f"{final.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    part.write_bytes(content)
    settle(part, final)


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def orphans(store: Store, *, older_than_s: float) -> list[Path]:
    """Files of instances that no row speaks of, untouched for that long: a crash came between file and row."""
    with reading(store) as connection:
        known = set(connection.execute(select(instances.c.path)).scalars())
    found = sorted(path for path in (store.files / "instances").rglob("*") if path.is_file())
    now = time()
    return [
        path
        for path in found
        if os.fspath(path.relative_to(store.files)) not in known and now - path.stat().st_mtime > older_than_s
    ]
