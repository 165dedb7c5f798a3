"""Maps for people outside the page: from the store, or made now, written as files."""

import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation
from data_schemas.score import VolumeScreening
from data_schemas.study import StudyToScreen
from triage.assembly import Screener
from triage.explain.drawing import on_image, overlay_png
from triage.images.display import display
from triage.images.nifti import nifti_head
from triage.images.series import stack_series
from triage.store import Store
from triage.store.screenings import record_explanations
from triage.store.studies import explanations, study_record, study_to_screen

STEPS = 32767
"""Of a map in 16 bits."""


def maps_of(
    store: Store, screener: Screener, study_uid: str, *, finding: str | None, method: str, actor: str
) -> tuple[Explanation, ...]:
    """The stored maps of a study, made and stored now where there are none. Raises NotFound with the reason."""
    record = study_record(store, study_uid)
    if record.screening is None:
        raise NotFound(f"there is no map yet: the study is {record.status}")
    if not record.screening.findings:
        raise NotFound(f"there is no map: {record.urgency.reason}")
    wanted = finding or record.screening.findings[0].finding
    stored = tuple(
        found
        for found in explanations(store, study_uid)
        if found.header.finding == wanted and found.header.method == method
    )
    if stored:
        return stored
    request = study_to_screen(store, study_uid)
    made = screener.explain(request, record.screening, finding=wanted, method=method)
    record_explanations(store, study_uid, made, actor=actor)
    return made


def write_explanations(
    store: Store, screener: Screener, study_uid: str, *, finding: str | None, method: str, out: Path
) -> Iterator[dict[str, Any]]:
    """Writes each map as overlay PNG and on the original grid: .npy of an image, .nii.gz of a series; describes each.

    The overlay of a series is that of the slice that drove its score.
    """
    out.mkdir(parents=True, exist_ok=True)
    request = study_to_screen(store, study_uid)
    found = maps_of(store, screener, study_uid, finding=finding, method=method, actor="command line")
    screening = study_record(store, study_uid).screening
    volumes = {one.series_instance_uid: one for one in screening.volumes} if screening else {}
    for number, explanation in enumerate(found, start=1):
        header = explanation.header
        volume = volumes.get(header.series_instance_uid)
        stem = f"{header.method}_{header.finding}_{number}"
        driving, frame = explanation.plane(), volume.slices[header.driving].frame if volume else 0
        picture = picture_of(request, screener, header.sop_instance_uid, frame)
        write_whole(out / f"{stem}.png", [overlay_png(picture, driving)])
        if volume is None:
            raw = out / f"{stem}.npy"
            write_whole(raw, [as_npy(on_image(explanation))])
        else:
            raw = out / f"{stem}.nii.gz"
            write_whole(raw, packed(nifti_parts(explanation, volume, request)))
        yield {
            "study_instance_uid": study_uid,
            "series_instance_uid": header.series_instance_uid or None,
            "sop_instance_uid": header.sop_instance_uid,
            "finding": header.finding,
            "method": header.method,
            "overlay": str(out / f"{stem}.png"),
            "map": str(raw),
            "rows": header.rows,
            "columns": header.columns,
            "slices": len(volume.slices) if volume else None,
            "bundle": header.bundle.name,
            "bundle_version": header.bundle.version,
        }


def as_npy(values: NDArray[np.float32]) -> bytes:
    """The array as numpy writes it."""
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def nifti_parts(explanation: Explanation, volume: VolumeScreening, request: StudyToScreen) -> Iterator[bytes]:
    """The map on the grid of the series it explains, in 32,767 steps, slice by slice: whole it may fill the memory.

    A slice that was not scored holds zeros.
    """
    mine = [one.header for one in request.instances if one.header.series_instance_uid == volume.series_instance_uid]
    stack = stack_series(mine)
    planes = {(one.sop_instance_uid, one.frame): place for place, one in enumerate(volume.slices)}
    header = explanation.header
    slope = float(explanation.values.max(initial=0.0)) / STEPS or 1.0
    empty = np.zeros((header.rows, header.columns), np.int16)
    yield nifti_head((len(stack.slices), header.rows, header.columns), empty.dtype, stack.affine, slope)
    for one in stack.slices:
        plane = planes.get((one.header.sop_instance_uid, one.frame))
        steps = empty if plane is None else np.rint(on_image(explanation.plane(plane)) / slope).astype(np.int16)
        yield steps.tobytes()


def packed(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same as gzip."""
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield from (packer.compress(part) for part in parts)
    yield packer.flush()


def picture_of(request: StudyToScreen, screener: Screener, sop_instance_uid: str, frame: int) -> NDArray[np.float32]:
    """The original image as a person sees it: float32 rows x columns, 0 black to 1 white."""
    instance = next(i for i in request.instances if i.header.sop_instance_uid == sop_instance_uid)
    return display(screener.pool.read(instance.path, instance.header, frame=frame))


def write_whole(path: Path, parts: Iterable[bytes]) -> None:
    """Never leaves half a file under the final name."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.writelines(parts)
    part.replace(path)
