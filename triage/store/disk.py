"""Files that survive a power cut: written beside, synced, renamed, and the folders synced as well."""

import os
from pathlib import Path
from time import time_ns


def make_folders(files: Path, *names: str) -> None:
    """The folder of files with folders in it, each there after a power cut."""
    for name in names:
        (files / name).mkdir(parents=True, exist_ok=True)
    sync_folder(files)
    sync_folder(files.parent)


def settle(part: Path, final: Path) -> None:
    """Moves a written file to its final name so that a power cut leaves either no file or the whole file there.

    The file counts as touched now: how long ago it was written says nothing about when its row is due.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    now = time_ns()
    with part.open("rb+") as file:
        os.utime(file.fileno(), ns=(now, now))
        os.fsync(file.fileno())
    part.replace(final)
    sync_folder(final.parent)
    sync_folder(final.parent.parent)


def write_whole(final: Path, content: bytes) -> None:
    """Writes a file named by its content: either there as a whole or not at all; an equal one is kept."""
    if final.exists():
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f"{final.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        part.write_bytes(content)
        settle(part, final)
    finally:
        part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
