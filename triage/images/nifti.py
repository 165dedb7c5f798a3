"""NIfTI volumes (NIfTI-1 and NIfTI-2) as slices with planes in the patient, and back.

NIfTI counts millimetres to the right, front and head (RAS), DICOM to the left, back and head (LPS).
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from data_schemas.errors import RefusedFile
from data_schemas.volume import Orientation, SlicePlane
from triage.images.opening import ReadLimits
from triage.images.series import AS_READ, AXES, ORIENTATIONS

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MM_OF = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
THICKER = 1.5
"""An axis whose steps are this much longer than the others' is the one along which slices were made."""
MAX_SLICES = 4000
DATA_AT = 352
"""Offset of the values in a file without extensions (NIfTI-1 standard)."""


@dataclass(frozen=True)
class NiftiVolume:
    """A volume as slices that lie as they are read."""

    values: NDArray[Any]
    """(slices, rows, columns) stored values: uint8, int16 or uint16."""
    slope: float
    intercept: float
    planes: tuple[SlicePlane, ...]
    """One for each slice; empty where the file states no orientation."""


def read_nifti(path: Path, limits: ReadLimits | None = None) -> NiftiVolume:
    """The volume of a .nii or .nii.gz file, whatever its name. Raises RefusedFile with one sentence."""
    limits = limits or ReadLimits()
    try:
        with unpacked(path) as file:
            image = opened(file)
            refuse_what_is_no_volume(image, limits)
            values, slope, intercept = stored_values(image)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise RefusedFile("a damaged NIfTI file; ask the sender for it again", kind=type(error).__name__) from error
    except MemoryError as error:
        raise RefusedFile("a NIfTI volume that memory does not hold") from error
    return laid_out(values, slope, intercept, image)


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, out of gzip where it is packed."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as inside:
            yield cast(IO[bytes], inside)


def opened(file: IO[bytes]) -> Any:  # noqa: ANN401  # nibabel has no types
    """The image with its header read and its values not."""
    head = file.read(544)
    file.seek(0)
    second = 540 in {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    kind = nib.Nifti2Image if second else nib.Nifti1Image
    holder = FileHolder(fileobj=file)
    return kind.from_file_map({"header": holder, "image": holder}, mmap=False)


def refuse_what_is_no_volume(image: Any, limits: ReadLimits) -> None:  # noqa: ANN401
    """Raises RefusedFile before any value is read."""
    shape, dtype = image.shape, image.get_data_dtype()
    words = " x ".join(str(side) for side in shape)
    if bytes(image.header["magic"].tobytes())[:3] in (b"ni1", b"ni2"):
        raise RefusedFile("a NIfTI header whose values lie in another file (.img); convert the pair to one .nii file")
    if len(shape) > 3 and any(side != 1 for side in shape[3:]):
        raise RefusedFile(f"a NIfTI volume of {words} voxels: only three dimensions are read; give one volume of them")
    if len(shape) < 3 or min(shape) < 1:
        raise RefusedFile(f"a NIfTI file of {words} voxels, not a volume")
    if dtype.kind not in "iuf":
        raise RefusedFile("a NIfTI volume of colours or complex numbers; only plain numbers are read")
    if max(shape[:3]) > min(limits.max_rows, MAX_SLICES):
        raise RefusedFile(f"a NIfTI volume of {words} voxels is beyond the limit of {MAX_SLICES} a side")
    size = int(np.prod(shape[:3], dtype=np.int64)) * max(dtype.itemsize, 4)
    if size > limits.max_file_bytes:
        limit = limits.max_file_bytes // 2**20
        raise RefusedFile(f"a NIfTI volume of {words} voxels needs more than the limit of {limit} MiB")


def stored_values(image: Any) -> tuple[NDArray[Any], float, float]:  # noqa: ANN401
    """(i, j, k) values in 8 or 16 bits, with slope and intercept.

    Whole numbers that fit stay as they are; others take 65,536 even steps from the lowest to the highest.
    """
    raw = np.asarray(image.dataobj.get_unscaled()).reshape(image.shape[:3])
    stated = (image.dataobj.slope, image.dataobj.inter)
    slope, intercept = (1.0 if stated[0] is None else float(stated[0])), float(stated[1] or 0.0)
    if raw.dtype.kind in "iu" and raw.dtype.itemsize <= 2:
        native = raw.astype(raw.dtype.newbyteorder("="))
        return (native.astype(np.int16) if native.dtype == np.int8 else native), slope, intercept
    values = raw.astype(np.float64) * slope + intercept
    finite = np.isfinite(values)
    if not finite.any():
        raise RefusedFile("a NIfTI volume without a single number")
    low, high = float(values[finite].min()), float(values[finite].max())
    values = np.where(finite, values, low)
    if low >= -32768 and high <= 32767 and not (values != np.rint(values)).any():
        return values.astype(np.int16), 1.0, 0.0
    step = float(f"{(high - low) / 65535 or 1.0:.8g}")
    start = float(f"{low:.8g}")
    return np.clip(np.rint((values - start) / step), 0, 65535).astype(np.uint16), step, start


def laid_out(values: NDArray[Any], slope: float, intercept: float, image: Any) -> NiftiVolume:  # noqa: ANN401
    """Axes in the order of slices, rows and columns, each leading where it leads in a slice as it is read."""
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        # Nothing is known of how it lies: as nibabel assumes, the first axis to the right, the third to the head.
        return NiftiVolume(np.ascontiguousarray(values.transpose(2, 1, 0)[:, ::-1, ::-1]), slope, intercept, ())
    unit = MM_OF.get(image.header.get_xyzt_units()[0], 1.0)
    affine = LPS_OF_RAS @ np.diag([unit, unit, unit, 1.0]) @ image.affine
    order, steps = axes_as_read(affine)
    laid = values.transpose(order)[:: steps[0], :: steps[1], :: steps[2]]
    turned = moved(affine, values.shape, order, steps)
    return NiftiVolume(np.ascontiguousarray(laid), slope, intercept, planes_of(turned, laid.shape[0]))


def axes_as_read(affine: NDArray[np.float64]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Which axis of the file is slices, rows and columns, and whether each is taken forwards (1) or backwards (-1)."""
    linear = affine[:3, :3]
    lengths = np.linalg.norm(linear, axis=0)
    if not (lengths > 0).all() or not np.isfinite(affine).all():
        raise RefusedFile("a NIfTI volume whose orientation cannot be used; write it again with a sound affine")
    world = nib.io_orientation(affine)[:, 0]
    if np.isnan(world).any():
        raise RefusedFile("a NIfTI volume whose orientation cannot be used; write it again with a sound affine")
    places = [int(np.flatnonzero(world == axis)[0]) for axis in range(3)]
    longest = int(lengths.argmax())
    thick = lengths[longest] > THICKER * np.delete(lengths, longest).max()
    slices = longest if thick else places[2]
    orientation: Orientation = ORIENTATIONS[int(world[slices])]
    along_row, along_column = AS_READ[orientation]
    columns, column_step = along(along_row, places, linear)
    rows, row_step = along(along_column, places, linear)
    right_handed = np.linalg.det(linear[:, [columns, rows, slices]]) * column_step * row_step > 0
    return (slices, rows, columns), (1 if right_handed else -1, row_step, column_step)


def along(letter: str, places: list[int], linear: NDArray[np.float64]) -> tuple[int, int]:
    """The file's axis that leads to or away from `letter`, and 1 or -1."""
    axis, towards = next(
        (number, sign)
        for number, pair in enumerate(AXES)
        for sign, name in zip((1, -1), pair, strict=True)
        if name == letter
    )
    found = places[axis]
    return found, 1 if linear[axis, found] * towards > 0 else -1


def moved(
    affine: NDArray[np.float64], shape: tuple[int, ...], order: tuple[int, int, int], steps: tuple[int, int, int]
) -> NDArray[np.float64]:
    """Affine of (column, row, slice) for the laid-out array."""
    from_laid = np.zeros((4, 4))
    from_laid[3, 3] = 1
    for place, (axis, step) in enumerate(zip(order[::-1], steps[::-1], strict=True)):
        from_laid[axis, place] = step
        if step < 0:
            from_laid[axis, 3] = shape[axis] - 1
    result: NDArray[np.float64] = affine @ from_laid
    return result


def planes_of(affine: NDArray[np.float64], slices: int) -> tuple[SlicePlane, ...]:
    """A plane for each slice of an affine of (column, row, slice) in LPS; none where rows and columns are oblique."""
    across, down, through = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    spacing = float(np.linalg.norm(down)), float(np.linalg.norm(across))
    along_row, along_column = across / spacing[1], down / spacing[0]
    if abs(float(along_row @ along_column)) > 0.01:
        return ()
    thickness = abs(float(np.cross(along_row, along_column) @ through))

    def point(vector: NDArray[np.float64]) -> tuple[float, float, float]:
        return float(vector[0]), float(vector[1]), float(vector[2])

    return tuple(
        SlicePlane(
            position_mm=point(affine[:3, 3] + place * through),
            along_row=point(along_row),
            along_column=point(along_column),
            spacing_mm=spacing,
            thickness_mm=thickness,
        )
        for place in range(slices)
    )


def nifti_bytes(values: NDArray[Any], affine_lps: NDArray[np.float64], slope: float = 1.0) -> bytes:
    """A NIfTI-1 file of (slices, rows, columns) stored values whose affine maps column, row and slice to LPS, in mm.

    A reader multiplies them by `slope`.
    """
    slices, rows, columns = values.shape
    return nifti_head((slices, rows, columns), values.dtype, affine_lps, slope) + values.tobytes()


def nifti_head(
    shape: tuple[int, int, int], dtype: np.dtype[Any], affine_lps: NDArray[np.float64], slope: float = 1.0
) -> bytes:
    """What such a file begins with; its slices follow one by one, as they lie in memory."""
    header = nib.Nifti1Header()
    header.set_data_shape(shape[::-1])
    header.set_data_dtype(dtype)
    header.set_xyzt_units("mm")
    header.set_sform(LPS_OF_RAS @ affine_lps, code=1)
    header.set_qform(LPS_OF_RAS @ affine_lps, code=1, strip_shears=True)
    header.set_slope_inter(slope, 0.0)
    header["vox_offset"] = DATA_AT
    head: bytes = header.binaryblock
    return head.ljust(DATA_AT, b"\0")
