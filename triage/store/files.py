"""Where files lie below the folder of files, and which of them no row speaks of."""

import hashlib
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import time

from sqlalchemy import select

from triage.store.database import INSTANCES, MAPS, Store, reading
from triage.store.tables import instances

AT_ONCE = 500
"""Paths that one query asks for."""


def instance_path(sop_uid: str, sha256: str) -> str:
    """Where an instance lies below the folder of files; from hashes of UID and content, never from a patient's data.

    The content is in the name because two senders of one UID must not overwrite each other's file.
    """
    name = hashlib.sha256(sop_uid.encode()).hexdigest()
    return f"{INSTANCES}/{name[:2]}/{name}.dcm.{sha256[:16]}"


def map_path(content: bytes) -> str:
    """Where a map lies below the folder of files, by its content."""
    name = hashlib.sha256(content).hexdigest()
    return f"{MAPS}/{name[:2]}/{name}.npz"


def orphans(store: Store, *, older_than_s: float) -> list[Path]:
    """Files of instances that no row speaks of, settled that long ago: a crash came between file and row.

    To be taken in again by the caller, not to be thrown away; nobody was told that they are safe, so they may be gone.
    """
    due = time() - older_than_s
    paths = (path for path in (store.files / INSTANCES).rglob("*") if touched_before(path, due))
    found: list[Path] = []
    while some := list(islice(paths, AT_ONCE)):
        found += without_row(store, some)
    return sorted(found)


def touched_before(path: Path, due: float) -> bool:
    """Whether it is a file last changed before `due`, epoch seconds; no when it has just gone."""
    try:
        return path.is_file() and path.stat().st_mtime < due
    except FileNotFoundError:
        return False


def without_row(store: Store, paths: list[Path]) -> Iterator[Path]:
    """Those of the files that no instance's row names."""
    names = {os.fspath(path.relative_to(store.files)): path for path in paths}
    with reading(store) as connection:
        known = set(connection.execute(select(instances.c.path).where(instances.c.path.in_(names))).scalars())
    return (path for name, path in names.items() if name not in known)
