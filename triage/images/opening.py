"""A DICOM file opened: what stands before the pixels, parsed, and where those begin."""

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, config, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset as read_plain
from pydicom.filereader import read_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from data_schemas.errors import RefusedFile, UnreadablePixels

# A wrong value is ours to judge; pydicom's warnings and log lines quote values, which may be a patient's.
config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", module="pydicom")

LONG_VRS = (b"OB", b"OW", b"UN", b"OF", b"OD")
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class ReadLimits:
    """What the reader accepts."""

    max_file_bytes: int = 2047 * 1024 * 1024
    max_rows: int = 16_384
    max_columns: int = 16_384
    max_pixels: int = 120_000_000
    max_inflated_bytes: int = 1024 * 1024 * 1024
    """Largest dataset of a deflated transfer syntax, unpacked."""


@dataclass(frozen=True)
class Opened:
    """A dataset without its pixels, and where those begin."""

    dataset: Dataset
    source: BinaryIO
    """The file, or its unpacked content; open, and the caller's to close."""
    pixels_at: int | None
    """Byte offset of the Pixel Data element (7FE0,0010) in `source`, None where there is none."""


def open_dataset(path: Path, limits: ReadLimits, only: Sequence[int] | None = None) -> Opened:
    """Reads all before the pixels, or `only` those tags of it; every fault of their encoding is one RefusedFile."""
    try:
        opened = opened_deflated(path, limits) or opened_plain(path, only)
        # Elements are parsed when first asked for: ask now, so that a fault is met here.
        for _ in chain(opened.dataset.file_meta.iterall(), opened.dataset.iterall()):
            pass
    except InvalidDicomError as error:
        raise RefusedFile("not a DICOM file") from error
    except RecursionError as error:
        raise RefusedFile("its sequences are nested too deeply to read") from error
    except MemoryError as error:
        raise RefusedFile("an element claims more data than memory holds") from error
    except FAULTS as error:
        raise RefusedFile(
            "its DICOM header is damaged; ask the sender for it again", kind=type(error).__name__
        ) from error
    return opened


FAULTS = (
    NotImplementedError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OSError,
    EOFError,
    LookupError,
    BytesLengthException,
    struct.error,
)
"""What pydicom raises on hostile bytes."""


NAMING = (0x00080016, 0x00080060, 0x0020000D)
"""SOP Class UID, Modality and Study Instance UID: a file without a preamble is DICOM where it has one of them."""


def opened_plain(path: Path, only: Sequence[int] | None) -> Opened:
    """A file of any syntax but deflated, with or without preamble and meta header."""
    source = path.open("rb")
    preamble = source.read(132)[128:] == b"DICM"
    source.seek(0)
    tags = [*NAMING, *only] if only is not None else None
    dataset = dcmread(source, stop_before_pixels=True, force=True, specific_tags=tags)
    if not preamble and not {"SOPClassUID", "StudyInstanceUID", "Modality"} & set(dataset.dir()):
        raise InvalidDicomError
    if not hasattr(dataset, "file_meta"):
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = (
            ExplicitVRBigEndian if not little else ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
    return Opened(dataset, source, pixel_offset(source, dataset))


NEAR_THE_START = 2048


def opened_deflated(path: Path, limits: ReadLimits) -> Opened | None:
    """A deflated file's dataset, unpacked within the limit (PS3.5 A.5); None for any other syntax."""
    with path.open("rb") as file:
        head = file.read(NEAR_THE_START)
        # Transfer Syntax UID follows two UIDs in the meta header; most files are told from their first bytes.
        if head[128:132] != b"DICM" or DeflatedExplicitVRLittleEndian.encode() not in head:
            return None
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return None
        if "FileMetaInformationGroupLength" not in meta:
            raise RefusedFile("its DICOM header is damaged (no group length); ask the sender for it again")
        file.seek(132 + 12 + meta.FileMetaInformationGroupLength)
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacker.decompress(file.read(), limits.max_inflated_bytes)
        except zlib.error as error:
            raise RefusedFile("its deflated dataset is damaged; ask the sender for it again") from error
    if unpacker.unconsumed_tail:
        raise RefusedFile(f"unpacks to more than the limit of {limits.max_inflated_bytes // 2**20} MiB")
    source = io.BytesIO(data)
    dataset = read_plain(source, False, True, stop_when=at_pixels)
    dataset.file_meta = meta
    return Opened(dataset, source, pixel_offset(source, dataset))


def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    """Whether the reader has reached Float, Double Float or integer Pixel Data (7FE0,0008 to 0010)."""
    return int(tag) >= 0x7FE00008


def pixel_offset(source: BinaryIO, dataset: Dataset) -> int | None:
    """Where pydicom stopped, if the element there is Pixel Data."""
    at = source.tell()
    tag = source.read(4)
    big = str(dataset.file_meta.TransferSyntaxUID) == ExplicitVRBigEndian
    return at if tag == (b"\x7f\xe0\x00\x10" if big else b"\xe0\x7f\x10\x00") else None


def element_value(opened: Opened) -> tuple[int, int]:
    """Offset of the pixels' first byte and their length as the element states it (PS3.5 7.1)."""
    source, at = opened.source, opened.pixels_at or 0
    syntax = opened.dataset.file_meta.TransferSyntaxUID
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    source.seek(at + 4)
    head = source.read(8)
    if len(head) < 8:
        raise UnreadablePixels("the pixel data is cut off; ask the sender for the image again")
    if syntax == ImplicitVRLittleEndian:
        return at + 8, struct.unpack("<I", head[:4])[0]
    if head[:2] in LONG_VRS:
        length = source.read(0) or head[4:8]
        return at + 12, struct.unpack(order + "I", length)[0]
    return at + 8, struct.unpack(order + "H", head[2:4])[0]
