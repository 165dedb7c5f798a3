"""One image in every transfer syntax, for benchmarks and tests."""

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
SYNTAXES: dict[str, UID] = {
    "uncompressed": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG lossless": JPEGLosslessSV1,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
    "HTJ2K": HTJ2KLossless,
}
"""The syntaxes a benchmark compares, by the name people use."""


def encoded(values: NDArray[np.uint16] | NDArray[np.uint8], bits: int, syntax: UID) -> bytes:
    """The codestream of one frame (rows, columns) with `bits` bits stored; RLE is pydicom's work, below."""
    encoders = {
        JPEGBaseline8Bit: lambda: imagecodecs.jpeg8_encode(values, level=95),
        JPEGExtended12Bit: lambda: imagecodecs.jpeg8_encode(values, level=95, bitspersample=12),
        JPEGLossless: lambda: imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=bits),
        JPEGLosslessSV1: lambda: imagecodecs.ljpeg_encode(values, bitspersample=bits),
        JPEGLSLossless: lambda: imagecodecs.jpegls_encode(values),
        JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(
            values, level=0, reversible=True, codecformat="j2k", bitspersample=bits
        ),
        HTJ2KLossless: lambda: imagecodecs.htj2k_encode(values),
    }
    return bytes(encoders[syntax]())


def with_pixels(dataset: Dataset, values: NDArray[np.uint16] | NDArray[np.uint8], bits: int, syntax: UID) -> Dataset:
    """The dataset with these pixels (rows, columns) in that transfer syntax; `dataset` is changed."""
    dataset.Rows, dataset.Columns = values.shape
    dataset.BitsAllocated = values.itemsize * 8
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.SamplesPerPixel = 1
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax in (*UNCOMPRESSED, RLELossless):
        stored = values.byteswap() if syntax == ExplicitVRBigEndian else values
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW" if values.itemsize == 2 else "OB"
        if syntax == RLELossless:
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.compress(RLELossless, generate_instance_uid=False)
    else:
        dataset.PixelData = encapsulate([encoded(values, bits, syntax)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    return dataset
