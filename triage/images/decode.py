"""Pixel data to stored values, exactly (PS3.5 8 and A.4), by the fastest exact decoder for each syntax.

Compressed codestreams are decoded by native code, which hostile bytes may crash: call `decode` through
triage.images.decode_pool, never directly in a long-lived process.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames, parse_basic_offsets, parse_fragments
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from data_schemas.errors import RefusedFile, UnreadablePixels
from data_schemas.explanation import Affine
from data_schemas.study import InstanceHeader, PlainPixels
from triage.images.elements import number
from triage.images.geometry import IDENTITY
from triage.images.look import TAGS, read_look
from triage.images.opening import UNDEFINED, Opened, ReadLimits, element_value, open_dataset
from triage.images.pixels import Look, StoredPixels, Window

Array = NDArray[Any]
UNCOMPRESSED = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
)
JPEG = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1})
J2K = frozenset({JPEG2000, JPEG2000Lossless})
HT = frozenset({HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL})


def is_compressed(header: InstanceHeader) -> bool:
    """Whether a native decoder would have to read the pixels."""
    return header.transfer_syntax_uid not in UNCOMPRESSED


def decode(
    path: Path,
    header: InstanceHeader,
    *,
    at_least_px: int | None = None,
    frame: int = 0,
    limits: ReadLimits | None = None,
) -> StoredPixels:
    """The stored values of one frame and how to read them.

    `at_least_px`: JPEG 2000 may be read at a half, quarter or eighth as long as its shorter side keeps that many
    pixels; the grid of the result then has its own way back, `to_image`. Raises UnreadablePixels with one sentence.
    """
    if header.plain is not None:
        return read_plain(path, header, header.plain)
    with Frames(path, header, limits) as frames:
        return frames.read(frame, at_least_px)


def read_plain(path: Path, header: InstanceHeader, plain: PlainPixels) -> StoredPixels:
    """The stored values by what was noted of them. Raises UnreadablePixels."""
    check_layout(header)
    windows = tuple(Window(*one) for one in plain.windows)
    look = Look(
        slope=plain.slope,
        intercept=plain.intercept,
        windows=windows,
        voi_function=plain.voi_function,
        padding=plain.padding,
    )
    size = header.bits_allocated // 8
    with path.open("rb") as source:
        data = frame_bytes(source, plain.at, plain.stated_bytes, header, header.rows * header.columns * size, 0)
    values = np.frombuffer(data, f"<u{size}").reshape(header.rows, header.columns)
    return StoredPixels(whole_values(values, header), header, look)


class Frames:
    """An object opened to read its frames one by one: its header, which may be long, is parsed once."""

    def __init__(self, path: Path, header: InstanceHeader, limits: ReadLimits | None = None) -> None:
        """Raises UnreadablePixels with one sentence."""
        only = None if header.photometric_interpretation == "PALETTE COLOR" else TAGS
        try:
            self.opened = open_dataset(path, limits or ReadLimits(), only)
        except RefusedFile as error:
            raise UnreadablePixels(error.sentence) from error
        self.header = header
        self._fragments: list[int] | None = None

    def read(self, frame: int = 0, at_least_px: int | None = None) -> StoredPixels:
        """As `decode` gives it. Raises UnreadablePixels."""
        opened, header = self.opened, self.header
        if opened.pixels_at is None:
            raise UnreadablePixels("the file holds no pixels")
        check_layout(header)
        if is_compressed(header):
            values, to_image = compressed(self.codestream(frame), header, at_least_px)
        else:
            values, to_image = uncompressed(opened, header, frame), IDENTITY
        grey = grey_or_rgb(values, header, opened.dataset)
        return StoredPixels(grey, header, read_look(opened.dataset, frame), to_image)

    def codestream(self, frame: int) -> bytes:
        """The fragments of one frame, joined (PS3.5 A.4)."""
        start, stated = element_value(self.opened)
        source, frames = self.opened.source, self.header.frames
        source.seek(start)
        try:
            if self._fragments is None:
                parse_basic_offsets(source)
                self._fragments = parse_fragments(source)[1]
                source.seek(start)
            if frames == len(self._fragments) and frame < frames:
                source.seek(self._fragments[frame] + 4)
                (length,) = struct.unpack("<I", source.read(4))
                return source.read(length)
            encapsulated = source.read(-1 if stated == UNDEFINED else stated)
            for index, data in enumerate(generate_frames(encapsulated, number_of_frames=frames)):
                if index == frame:
                    return data
        except (ValueError, struct.error, IndexError, OSError, EOFError) as error:
            raise UnreadablePixels(
                "the pixel data's fragments are damaged; ask the sender for the image again"
            ) from error
        raise UnreadablePixels(
            "the pixel data holds fewer frames than the header says; ask the sender for the image again"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.opened.source.close()


def check_layout(header: InstanceHeader) -> None:
    """Raises UnreadablePixels for a layout that is not read here."""
    if header.bits_allocated not in (8, 16):
        raise UnreadablePixels(f"{header.bits_allocated} bits allocated a pixel; 8 and 16 are read")
    if not 1 <= header.bits_stored <= header.bits_allocated or header.high_bit >= header.bits_allocated:
        raise UnreadablePixels(f"{header.bits_stored} bits stored do not fit {header.bits_allocated} allocated")
    if header.samples_per_pixel not in (1, 3):
        raise UnreadablePixels(f"{header.samples_per_pixel} samples a pixel; 1 and 3 are read")
    if header.samples_per_pixel == 3 and header.bits_allocated != 8:
        raise UnreadablePixels("colour with 16 bits a sample is not read")


def uncompressed(opened: Opened, header: InstanceHeader, frame: int) -> Array:
    """(rows, columns) or (rows, columns, 3), read at the offset of the frame and no more."""
    start, stated = element_value(opened)
    shape, size = (header.rows, header.columns), header.bits_allocated // 8
    subsampled = header.photometric_interpretation == "YBR_FULL_422"
    wanted = header.rows * header.columns * size * (2 if subsampled else header.samples_per_pixel)
    data = frame_bytes(opened.source, start, stated, header, wanted, frame)
    if subsampled:
        return full_from_422(np.frombuffer(data, np.uint8), header)
    order = ">" if header.transfer_syntax_uid == ExplicitVRBigEndian else "<"
    values = np.frombuffer(data, np.dtype(f"{order}u{size}")).astype(f"=u{size}", copy=False)
    if header.samples_per_pixel == 1:
        return whole_values(values.reshape(shape), header)
    planar = number(opened.dataset, "PlanarConfiguration") == 1
    return values.reshape(3, *shape).transpose(1, 2, 0) if planar else values.reshape(*shape, 3)


def frame_bytes(source: BinaryIO, start: int, stated: int, header: InstanceHeader, wanted: int, frame: int) -> bytes:
    """The bytes of one frame, `wanted` a frame from `start` on. Raises UnreadablePixels where there are fewer."""
    source.seek(start + frame * wanted)
    data = source.read(wanted)
    if len(data) < wanted or (stated != UNDEFINED and stated < (frame + 1) * wanted):
        held = min(len(data), max(stated - frame * wanted, 0))
        raise UnreadablePixels(
            f"the pixel data is shorter than {header.rows} x {header.columns} needs ({held} of {wanted} bytes); "
            "ask the sender for the image again"
        )
    return data


def full_from_422(data: NDArray[np.uint8], header: InstanceHeader) -> Array:
    """YBR_FULL_422 as stored, Y Y Cb Cr (PS3.3 C.7.6.3.1.2), to (rows, columns, 3) YBR."""
    if header.columns % 2:
        raise UnreadablePixels("YBR_FULL_422 with an odd number of columns is not read")
    four = data.reshape(header.rows, header.columns // 2, 4)
    luma = four[..., :2].reshape(header.rows, header.columns)
    return np.dstack([luma, *(np.repeat(four[..., i], 2, axis=1) for i in (2, 3))])


def whole_values(values: Array, header: InstanceHeader) -> Array:
    """The stored bits alone: other bits of the word masked, two's complement sign extended (PS3.5 8.1.1)."""
    bits, shift = header.bits_stored, header.high_bit + 1 - header.bits_stored
    if shift:
        values = values >> max(shift, 0)
    if bits < header.bits_allocated:
        values = values & values.dtype.type((1 << bits) - 1)
    if not header.pixel_representation:
        return values
    signed = values.view(np.dtype(f"i{values.itemsize}"))
    unused = header.bits_allocated - bits
    return (signed << unused) >> unused if unused else signed


def compressed(data: bytes, header: InstanceHeader, at_least_px: int | None) -> tuple[Array, Affine]:
    """One frame's codestream decoded, and the way back to the full grid."""
    reduction = reduction_of(header, at_least_px)
    decoder = decoder_for(header.transfer_syntax_uid)
    try:
        values = decoder(data, header, reduction)
    except (RuntimeError, ValueError, TypeError, OSError, MemoryError, NotImplementedError) as error:
        raise UnreadablePixels(
            f"the {name_of(header)} pixel data is damaged; ask the sender for the image again",
            kind=type(error).__name__,
        ) from error
    expected = tuple(-(-side // reduction) for side in (header.rows, header.columns))
    if values.shape[:2] != expected:
        raise UnreadablePixels(
            f"the pixel data holds {values.shape[0]} x {values.shape[1]} pixels, the header says "
            f"{header.rows} x {header.columns}; ask the sender for the image again"
        )
    if values.ndim == 2 and header.samples_per_pixel == 1:
        values = signed_as_stated(values, header)
    return values, reduced_to_full(reduction)


def reduction_of(header: InstanceHeader, at_least_px: int | None) -> int:
    """1, 2, 4 or 8: how far JPEG 2000 may be read below its full resolution."""
    if at_least_px is None or header.transfer_syntax_uid not in J2K or header.samples_per_pixel != 1:
        return 1
    shorter = min(header.rows, header.columns)
    return next((factor for factor in (8, 4, 2) if shorter // factor >= at_least_px), 1)


def reduced_to_full(reduction: int) -> Affine:
    """From the grid of a reduced read to the full one: each pixel stands for `reduction` x `reduction` full ones."""
    middle = (reduction - 1) / 2
    return ((float(reduction), 0.0, middle), (0.0, float(reduction), middle))


def centred(values: Array, reduction: int) -> Array:
    """Low-band samples, which lie on every 2nd, 4th … sample of the full grid from the first on (ISO/IEC 15444-1 B.5),
    moved to the middle of the pixels they stand for: an area-reduced image would be the same, edges included."""
    away = (reduction - 1) / (2 * reduction)
    matrix = np.array([[1, 0, away], [0, 1, away]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (values.shape[1], values.shape[0])
    return cv2.warpAffine(np.ascontiguousarray(values), matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


Decoder = Callable[[bytes, InstanceHeader, int], Array]


def decoder_for(syntax: str) -> Decoder:
    """The decoder of a transfer syntax. Raises UnreadablePixels, naming it, where there is none."""
    if syntax in JPEG:
        return decode_jpeg
    if syntax in (JPEGLSLossless, JPEGLSNearLossless):
        return lambda data, header, reduction: np.asarray(imagecodecs.jpegls_decode(data))
    if syntax in J2K:
        return decode_jpeg2000
    if syntax in HT:
        return lambda data, header, reduction: np.asarray(imagecodecs.htj2k_decode(data))
    if syntax == RLELossless:
        return decode_rle
    raise UnreadablePixels(f"transfer syntax {syntax} is not supported; ask for the image uncompressed")


def name_of(header: InstanceHeader) -> str:
    """What people call the compression."""
    syntax = header.transfer_syntax_uid
    names = ((JPEG, "JPEG"), (J2K, "JPEG 2000"), (HT, "HTJ2K"), ({RLELossless}, "RLE"))
    return next((name for group, name in names if syntax in group), "JPEG-LS")


def decode_jpeg(data: bytes, header: InstanceHeader, reduction: int) -> Array:
    """JPEG processes 1, 2, 4 and 14."""
    return np.asarray(imagecodecs.jpeg8_decode(data))


def decode_jpeg2000(data: bytes, header: InstanceHeader, reduction: int) -> Array:
    """At full resolution by imagecodecs in two threads, else by Pillow, which shifts values to 16 bits."""
    if reduction == 1:
        return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=2))
    import io

    from PIL import Image, Jpeg2KImagePlugin

    image = Image.open(io.BytesIO(data))
    if not isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        raise ValueError("not JPEG 2000")
    image.reduce = reduction.bit_length() - 1
    # Pillow halves sides by rounding, JPEG 2000 upwards (ISO/IEC 15444-1 B.5): sides that divide evenly suit both
    columns, rows = (-(-side // reduction) * reduction for side in image.size)
    image._size = (columns, rows)
    image.load()
    values = np.asarray(image)
    stored = values >> (16 - header.bits_stored) if values.itemsize == 2 else values
    return centred(stored, reduction)


def decode_rle(data: bytes, header: InstanceHeader, reduction: int) -> Array:
    """PS3.5 G: byte planes, most significant first; one sample plane after the other."""
    size = header.bits_allocated // 8
    flat = imagecodecs.dicomrle_decode(data, np.dtype(f"<u{size}"))
    values = np.frombuffer(flat, f"<u{size}").reshape(header.samples_per_pixel, header.rows, header.columns)
    return values[0] if header.samples_per_pixel == 1 else values.transpose(1, 2, 0)


def signed_as_stated(values: Array, header: InstanceHeader) -> Array:
    """Decoded words to stored values: some encoders state no sign, the header then does (pydicom issue 1149)."""
    if values.dtype.kind == "i":
        values = values.view(np.dtype(f"u{values.itemsize}"))
    if values.itemsize * 8 < header.bits_allocated:
        values = values.astype(np.dtype(f"u{header.bits_allocated // 8}"))
    high = header.model_copy(update={"high_bit": header.bits_stored - 1})
    return whole_values(values, high if header.transfer_syntax_uid != RLELossless else header)


def grey_or_rgb(values: Array, header: InstanceHeader, dataset: Dataset) -> Array:
    """Colour as RGB uint8; grey as it is."""
    if values.ndim == 3:
        if header.photometric_interpretation.startswith("YBR_FULL") and not is_rgb_already(header):
            values = cv2.cvtColor(np.ascontiguousarray(values[..., [0, 2, 1]]), cv2.COLOR_YCrCb2RGB)
        return np.ascontiguousarray(values.astype(np.uint8, copy=False))
    if header.photometric_interpretation == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        coloured = apply_color_lut(values, dataset)
        return (coloured >> 8 if coloured.itemsize == 2 else coloured).astype(np.uint8)
    return values


def is_rgb_already(header: InstanceHeader) -> bool:
    """JPEG decoders turn YBR into RGB by themselves; RLE and plain pixels stay as stored."""
    return header.transfer_syntax_uid in JPEG
