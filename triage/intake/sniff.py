"""What kind of file is it? Decided by its first bytes, never by its name."""

import gzip
import zlib
from enum import Enum
from pathlib import Path

from data_schemas.errors import RefusedFile

HEAD_BYTES = 1024
NIFTI_MAGICS = {(348, 344): (b"n+1\0", b"ni1\0"), (540, 4): (b"n+2\0", b"ni2\0")}
"""By size of header and offset of the magic (NIfTI-1 and NIfTI-2 standard)."""
FOREIGN = (
    (b"%PDF", "a PDF document, not an image; ask for the DICOM file"),
    (b"\x89PNG\r\n", "a PNG picture without patient and study; ask for the DICOM file"),
    (b"\xff\xd8\xff", "a JPEG picture without patient and study; ask for the DICOM file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; pack it as zip"),
    (b"Rar!\x1a\x07", "a RAR archive; pack it as zip"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz file; unpack it first"),
)


class Kind(Enum):
    """What intake does with a file."""

    ARCHIVE = "archive"
    NIFTI = "NIfTI"
    DICOM = "perhaps DICOM"


def kind_of(path: Path) -> Kind:
    """The kind of a file. Raises RefusedFile with one sentence for a kind that is not taken in."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise RefusedFile("is empty")
    if head[128:132] == b"DICM":
        return Kind.DICOM
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return Kind.ARCHIVE
    if head[:2] == b"\x1f\x8b":
        if is_nifti(inflated_head(path)):
            return Kind.NIFTI
        raise RefusedFile("a gzip file that holds no NIfTI volume; unpack it first")
    if head[257:262] == b"ustar":
        raise RefusedFile("a tar archive; pack it as zip")
    for magic, sentence in FOREIGN:
        if head.startswith(magic):
            raise RefusedFile(sentence)
    return Kind.NIFTI if is_nifti(head) else Kind.DICOM


def inflated_head(path: Path) -> bytes:
    """The first bytes inside a gzip file. Raises RefusedFile when it is damaged."""
    try:
        with gzip.open(path) as file:
            return file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise RefusedFile("a damaged gzip file; ask the sender for it again") from error


def is_nifti(head: bytes) -> bool:
    """Whether a file that begins so, unpacked, is a NIfTI volume."""
    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    return any(size in sizes and head[at : at + 4] in magics for (size, at), magics in NIFTI_MAGICS.items())
