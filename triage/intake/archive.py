"""Zip archives, one member at a time and within bounds; a member's name is never used as a path."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

from data_schemas.errors import RefusedFile
from triage.intake.limits import MIB, IntakeLimits

CHUNK = MIB
BYTES_PER_ENTRY = 1024
"""Generous size of one entry of the central directory: its fixed 46 bytes and a long name."""
ENCRYPTED = 0x1
Member = tuple[str, Path | RefusedFile]
"""Name inside the archive, and the unpacked file or why it was not unpacked. The file is the caller's to remove."""


def members(archive: Path, spool: Path, limits: IntakeLimits) -> Iterator[Member]:
    """Every file of a zip archive, unpacked into `spool`.

    Raises RefusedFile when the archive as a whole cannot be taken; a fault of one member leaves the others.
    """
    refuse_large_directory(archive, limits)
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise RefusedFile("a damaged zip archive; ask the sender for it again") from error
    with opened:
        entries = [entry for entry in opened.infolist() if not entry.is_dir()]
        if len(entries) > limits.max_files:
            raise RefusedFile(f"holds {len(entries):,} files; the limit is {limits.max_files:,}")
        left = limits.max_archive_bytes
        for entry in entries:
            try:
                path = unpack(opened, entry, spool, limits, left)
            except RefusedFile as refusal:
                yield entry.filename, refusal
                if refusal.fields.get("archive_full"):
                    return
            else:
                left -= path.stat().st_size
                yield entry.filename, path


def unpack(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, spool: Path, limits: IntakeLimits, left: int) -> Path:
    """One member as a file in the spool; bytes are counted as they come, not as the archive claims."""
    refuse_entry(entry, limits)
    allowed = min(limits.max_file_bytes, left, int(limits.max_archive_ratio * max(entry.compress_size, 1)) + CHUNK)
    with NamedTemporaryFile(dir=spool, suffix=".part", delete=False) as target:
        path = Path(target.name)
        try:
            with opened.open(entry) as source:
                written = 0
                while chunk := source.read(CHUNK):
                    written += len(chunk)
                    if written > allowed:
                        raise too_large(written, limits, left)
                    target.write(chunk)
        except RefusedFile:
            path.unlink(missing_ok=True)
            raise
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
            path.unlink(missing_ok=True)
            raise RefusedFile("damaged inside the archive, or packed by a method that is not read") from error
    return path


def too_large(written: int, limits: IntakeLimits, left: int) -> RefusedFile:
    """Which bound was met."""
    if written > left:
        return RefusedFile(
            f"unpacks the archive to more than the limit of {limits.max_archive_bytes // MIB:,} MiB; "
            "the rest of the archive was not unpacked",
            archive_full=1,
        )
    if written > limits.max_file_bytes:
        return RefusedFile(f"larger than the limit of {limits.max_file_bytes // MIB:,} MiB")
    return RefusedFile(f"unpacks to more than {limits.max_archive_ratio:g} times its packed size, as a zip bomb does")


def refuse_entry(entry: zipfile.ZipInfo, limits: IntakeLimits) -> None:
    """Raises RefusedFile for what can be told before unpacking."""
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or entry.filename[1:2] == ":":
        raise RefusedFile("its name points outside the archive")
    if entry.flag_bits & ENCRYPTED:
        raise RefusedFile("is password-protected; unpack the archive first")
    if entry.file_size > limits.max_file_bytes:
        raise RefusedFile(f"larger than the limit of {limits.max_file_bytes // MIB:,} MiB")


def refuse_large_directory(archive: Path, limits: IntakeLimits) -> None:
    """Raises RefusedFile when the list of members alone would fill the memory (APPNOTE 4.3.16 and 4.3.14)."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(size - 2**16 - 200, 0))
        tail = file.read()
    stated = [0]
    end, end64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    if 0 <= end <= len(tail) - 16:
        stated.append(struct.unpack_from("<I", tail, end + 12)[0])
    if 0 <= end64 <= len(tail) - 48:
        stated.append(struct.unpack_from("<Q", tail, end64 + 40)[0])
    largest = max(value for value in stated if value != 0xFFFFFFFF)
    if largest > limits.max_files * BYTES_PER_ENTRY:
        raise RefusedFile(f"lists more files than the limit of {limits.max_files:,}")
