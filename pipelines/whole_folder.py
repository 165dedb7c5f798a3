"""A folder that appears whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_schemas.errors import TriageError
from triage.models.bundle import MANIFEST


@contextmanager
def bundle_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` that takes its place when the block ends, and vanishes when it raises.

    An older bundle at `out` is replaced. Raises TriageError when something else is there.
    """
    if out.exists() and not (out / MANIFEST).is_file():
        raise TriageError(f"{out.name} is there and is no bundle; name another folder or remove it.")
    beside = out.resolve().parent / f".{out.name}.part"
    shutil.rmtree(beside, ignore_errors=True)
    part = beside / out.name
    part.mkdir(parents=True)
    try:
        yield part
        if out.exists():
            out.replace(beside / "older")
        part.replace(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
