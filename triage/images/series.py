"""A series as a stack of slices: ordered by position along the normal, never by number, each irregularity named."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from data_schemas.study import InstanceHeader
from data_schemas.volume import Irregularity, LeftOut, Orientation, Point, SlicePlane, StackFault, VolumeFacts
from triage.images.geometry import Turn, turn_to

SAME_DIRECTION = 1e-3
"""Largest difference between direction cosines of one orientation: about 0.06 degrees."""
SAME_PLACE_MM = 0.01
UNEVEN = 0.1
"""Distances between slices that differ by more than this part of their median are uneven."""
RUN = 3
"""As many equal gaps beside each other are another spacing, not missing slices."""
MOST_SPACINGS = 4
"""Up to so many spacings are told one by one."""
LEAST_TILT_DEG = 0.5
SHIFT_MM = 1.0
"""Slices that lie further than this from the line through the others are shifted."""


@dataclass(frozen=True)
class Slice:
    """One frame of one instance, with its plane."""

    header: InstanceHeader
    frame: int
    plane: SlicePlane


@dataclass(frozen=True)
class Stack:
    """Slices in order along their normal, the first at the lowest position."""

    slices: tuple[Slice, ...]
    positions_mm: tuple[float, ...]
    """Along the normal, for each slice."""
    tilt_deg: float
    """Between the normal of the slices and the line through their first pixels."""
    irregularities: tuple[Irregularity, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def gaps_mm(self) -> NDArray[np.float64]:
        """Distances between neighbouring slices."""
        return np.diff(np.asarray(self.positions_mm, dtype=np.float64))

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4): column, row and slice index to millimetres in LPS.

        The third axis leads from the first slice to the last, so a tilted stack gives a sheared affine, and one of
        uneven spacing an affine that is right at its ends only; `positions_mm` is right everywhere. A single slice
        takes its thickness, or 1 mm.
        """
        first, last = self.slices[0].plane, self.slices[-1].plane
        steps = len(self.slices) - 1
        start = np.asarray(first.position_mm)
        if steps:
            along_stack = (np.asarray(last.position_mm) - start) / steps
        else:
            along_stack = normal(first) * (first.thickness_mm or 1.0)
        affine = np.eye(4)
        affine[:3, 0] = np.asarray(first.along_row) * first.spacing_mm[1]
        affine[:3, 1] = np.asarray(first.along_column) * first.spacing_mm[0]
        affine[:3, 2] = along_stack
        affine[:3, 3] = start
        return affine


def stack_series(headers: Sequence[InstanceHeader]) -> Stack:
    """The stack of one series, whatever order its files came in; what cannot be right is named, nothing is raised."""
    frames = [
        (header, frame, plane)
        for header in sorted(headers, key=lambda header: header.sop_instance_uid)
        for frame, plane in enumerate(planes_of(header))
    ]
    left_out, placed = [], []
    originals = {header.sop_instance_uid for header, _, _ in frames if header.image_type[:1] == ("ORIGINAL",)}
    for header, frame, plane in frames:
        why = why_left_out(header, plane, any_original=bool(originals))
        if why or plane is None:
            left_out.append(LeftOut(sop_instance_uid=header.sop_instance_uid, frame=frame, why=why))
        else:
            placed.append(Slice(header, frame, plane))
    if not placed:
        return by_frame(frames, left_out)
    along = normal(placed[0].plane)

    def place(one: Slice) -> float:
        return float(along @ np.asarray(one.plane.position_mm))

    ordered = sorted(placed, key=lambda one: (place(one), one.header.sop_instance_uid, one.frame))
    positions = tuple(place(one) for one in ordered)
    found = [*mixed(ordered)]
    if not found:  # distances mean nothing between slices of different planes
        found = [*uneven(positions), *oblique(ordered)]
    return Stack(tuple(ordered), positions, tilt(ordered), tuple(found), tuple(left_out))


def by_frame(frames: Sequence[tuple[InstanceHeader, int, SlicePlane | None]], left_out: Sequence[LeftOut]) -> Stack:
    """Images that do not say where they lie, in the order of their frames, as if 1 mm apart; marked as such."""
    usable = [(header, frame) for header, frame, plane in frames if why_left_out(header, plane) == NOWHERE]
    slices = tuple(Slice(header, frame, assumed_plane(header, place)) for place, (header, frame) in enumerate(usable))
    sentence = "no image of the series states where it lies; they are taken in the order of their frames"
    nowhere = Irregularity(fault=StackFault.POSITION, sentence=sentence)
    others = tuple(one for one in left_out if one.why != NOWHERE)
    return Stack(slices, tuple(float(place) for place in range(len(slices))), 0.0, (nowhere,), others)


def assumed_plane(header: InstanceHeader, place: int) -> SlicePlane:
    """Axial, at that place."""
    return SlicePlane(
        position_mm=(0.0, 0.0, float(place)),
        along_row=(1.0, 0.0, 0.0),
        along_column=(0.0, 1.0, 0.0),
        spacing_mm=header.pixel_spacing_mm or (1.0, 1.0),
    )


def planes_of(header: InstanceHeader) -> tuple[SlicePlane | None, ...]:
    """One for each frame."""
    return header.planes or (None,) * header.frames


NOWHERE = "does not state where it lies"


def why_left_out(header: InstanceHeader, plane: SlicePlane | None, *, any_original: bool = False) -> str:
    """Why an image is no slice of its series; empty where it is one."""
    if "LOCALIZER" in header.image_type or "SCOUT" in header.image_type:
        return "a localizer"
    if any_original and header.image_type[:1] == ("DERIVED",):
        return "derived from other images of the series"
    return "" if plane is not None else NOWHERE


def normal(plane: SlicePlane) -> NDArray[np.float64]:
    """Unit vector at right angles to the slice; to the head for an axial one (PS3.3 C.7.6.2.1.1)."""
    (a, b, c), (d, e, f) = plane.along_row, plane.along_column
    across = (b * f - c * e, c * d - a * f, a * e - b * d)  # np.cross takes ten times as long for two vectors
    return np.asarray(across, dtype=np.float64) / hypot(*across)


AXES = (("L", "R"), ("P", "A"), ("H", "F"))
ORIENTATIONS = (Orientation.SAGITTAL, Orientation.CORONAL, Orientation.AXIAL)
AS_READ = {
    Orientation.AXIAL: ("L", "P"),
    Orientation.CORONAL: ("L", "F"),
    Orientation.SAGITTAL: ("P", "F"),
}
"""Where rows and columns lead in a slice as it is read."""


def orientation(plane: SlicePlane) -> Orientation:
    """By the axis that is nearest to the normal."""
    return ORIENTATIONS[int(np.abs(normal(plane)).argmax())]


def letter(direction: Point) -> str:
    """Where a direction leads mostly: L, R, P, A, H or F."""
    axis = max(range(3), key=lambda axis: abs(direction[axis]))
    return AXES[axis][direction[axis] < 0]


OBLIQUE = 0.35
"""Share of a direction from which a second letter names it: about 20 degrees."""


def letters(direction: Point) -> str:
    """Where a direction leads, the larger part first, such as L or PH (PS3.3 C.7.6.1.1.1); of any length."""
    parts = np.asarray(direction, dtype=np.float64)
    shares = np.abs(parts) / (np.linalg.norm(parts) or 1.0)
    axes = [axis for axis in np.argsort(-shares) if shares[axis] > OBLIQUE]
    return "".join(AXES[axis][int(parts[axis] < 0)] for axis in axes)


def as_read(plane: SlicePlane, rows: int, columns: int) -> Turn:
    """The turn that shows the slice as it is read: an axial one with the patient's left to the right, back down."""
    along = (letter(plane.along_row), letter(plane.along_column))
    return turn_to(along, AS_READ[orientation(plane)], rows, columns)


def facts(stack: Stack) -> VolumeFacts:
    """What the stack is, for people; of at least one slice."""
    first, gaps = stack.slices[0], stack.gaps_mm
    usual = float(np.median(gaps)) if gaps.size else 1.0
    return VolumeFacts(
        slices=len(stack.slices),
        rows=first.header.rows,
        columns=first.header.columns,
        orientation=orientation(first.plane),
        pixel_spacing_mm=first.plane.spacing_mm,
        gaps_mm=(round(float(gaps.min()), 4), round(float(gaps.max()), 4)) if gaps.size else (0.0, 0.0),
        thickness_mm=first.plane.thickness_mm or round(usual, 4),
        tilt_deg=round(stack.tilt_deg, 2),
        affine=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in stack.affine),
        left_out=stack.left_out,
    )


def mixed(slices: Sequence[Slice]) -> list[Irregularity]:
    """Orientations, sizes and pixel spacings that differ within the series."""
    found = []
    cosines = np.array([[*one.plane.along_row, *one.plane.along_column] for one in slices])
    other = int((np.abs(cosines - np.median(cosines, axis=0)).max(axis=1) > SAME_DIRECTION).sum())
    if other:
        sentence = f"slices of different orientations are mixed in one series ({other} of {len(slices)} differ)"
        found.append(Irregularity(fault=StackFault.ORIENTATION, sentence=sentence))
    sizes = Counter((one.header.rows, one.header.columns, *np.round(one.plane.spacing_mm, 4)) for one in slices)
    if len(sizes) > 1:
        other = len(slices) - sizes.most_common(1)[0][1]
        sentence = f"slices of different size or spacing are mixed in one series ({other} of {len(slices)} differ)"
        found.append(Irregularity(fault=StackFault.SIZE, sentence=sentence))
    return found


def uneven(positions: Sequence[float]) -> list[Irregularity]:
    """Repeated places, gaps and uneven distances along the normal."""
    gaps = np.diff(np.asarray(positions))
    if not gaps.size:
        return []
    repeated = gaps < SAME_PLACE_MM
    if repeated.any():
        return [repeats(positions, repeated)]
    absent = absent_between(gaps)
    found = []
    if absent.any():
        count, widest = int(absent.sum()), int(np.argmax(gaps * (absent > 0)))
        words = "1 slice is missing" if count == 1 else f"{count} slices are missing"
        usual = gaps[widest] / (absent[widest] + 1)
        sentence = f"{words}: a gap of {gaps[widest]:.1f} mm where slices are {usual:.1f} mm apart"
        found.append(Irregularity(fault=StackFault.MISSING, sentence=sentence))
    filled = gaps / (absent + 1)
    if (np.abs(filled - np.median(filled)) > UNEVEN * np.median(filled)).any():
        sentence = f"the distance between slices is uneven: {distances(filled)}"
        found.append(Irregularity(fault=StackFault.SPACING, sentence=sentence))
    return found


def distances(gaps: NDArray[np.float64]) -> str:
    """A few spacings one after the other, more of them as a range."""
    told = [float(np.median(run)) for run in np.split(gaps, run_starts(gaps)[1:])]
    if len(told) <= MOST_SPACINGS:
        first, *others = (f"{gap:.1f}" for gap in told)
        return ", then ".join([f"{first} mm", *others])
    return f"{gaps.min():.1f} to {gaps.max():.1f} mm"


def absent_between(gaps: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many slices are missing in each gap: it is a whole multiple of the gaps beside it, or of the usual one.

    The gaps beside it come first, for a head is often scanned in thin slices below and thick ones above. Gaps that
    are alike several times in a row are such a change.
    """
    usual = float(np.median(gaps))
    odd, alike = np.abs(gaps - usual) > UNEVEN * usual, in_run(gaps)
    if odd.any() and not alike[odd].any() and (multiples(gaps[odd], np.full(odd.sum(), usual)) >= 2).all():
        return np.maximum(multiples(gaps, np.full_like(gaps, usual)) - 1, 0)
    around = np.pad(gaps, 1)
    beside = np.maximum(around[:-2], around[2:])
    absent = np.maximum(multiples(gaps, np.where(beside > 0, beside, gaps)) - 1, 0)
    return np.where(alike, 0, absent)


def run_starts(gaps: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where each run of equal gaps begins, the first at 0."""
    changes = np.abs(np.diff(gaps)) > UNEVEN * gaps[:-1]
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def in_run(gaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each gap is one of several equal ones in a row."""
    lengths = np.diff(np.append(run_starts(gaps), gaps.size))
    return np.repeat(lengths >= RUN, lengths)


def multiples(gaps: NDArray[np.float64], units: NDArray[np.float64]) -> NDArray[np.int64]:
    """The whole number that each gap is of its unit; 0 where it is none."""
    times = np.rint(gaps / units)
    whole = np.abs(gaps - times * units) <= UNEVEN * units
    return np.where(whole, times, 0).astype(np.int64)


def repeats(positions: Sequence[float], repeated: NDArray[np.bool_]) -> Irregularity:
    """Phases where each place occurs equally often, duplicates otherwise."""
    place = np.concatenate([[0], np.cumsum(~repeated)])
    times = set(Counter(place.tolist()).values())
    if len(times) == 1:
        count = times.pop()
        sentence = f"each position occurs {count} times: phases, echoes or reconstructions are mixed in one series"
        return Irregularity(fault=StackFault.PHASES, sentence=sentence)
    first = float(np.asarray(positions)[1:][repeated][0])
    count = int(repeated.sum())
    words = "1 slice lies" if count == 1 else f"{count} slices lie"
    sentence = f"{words} where another one lies already, the first at {first:.1f} mm"
    return Irregularity(fault=StackFault.DUPLICATES, sentence=sentence)


def oblique(slices: Sequence[Slice]) -> list[Irregularity]:
    """A stack that leans, or slices beside its line."""
    found = []
    lean = tilt(slices)
    if lean > LEAST_TILT_DEG:
        sentence = f"the gantry was tilted by {lean:.1f} degrees"
        found.append(Irregularity(fault=StackFault.TILT, sentence=sentence))
    if len(slices) > 2:
        points = np.array([one.plane.position_mm for one in slices])
        along = line(points)
        beside = points - points[0] - np.outer((points - points[0]) @ along, along)
        furthest = float(np.linalg.norm(beside, axis=1).max())
        if furthest > SHIFT_MM:
            sentence = f"slices are shifted sideways by up to {furthest:.1f} mm against each other"
            found.append(Irregularity(fault=StackFault.SHIFT, sentence=sentence))
    return found


def tilt(slices: Sequence[Slice]) -> float:
    """Degrees between the slices' normal and the line through their first pixels; 0 for a single slice."""
    if len(slices) < 2:
        return 0.0
    along = line(np.array([one.plane.position_mm for one in slices]))
    if not along.any():
        return 0.0
    return float(np.degrees(np.arccos(np.clip(abs(along @ normal(slices[0].plane)), 0.0, 1.0))))


def line(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector from the first point to the last; zero where they are one."""
    way = points[-1] - points[0]
    length = float(np.linalg.norm(way))
    return way / length if length else np.zeros(3)
