"""Series as the page scrolls through them: which images are slices of one stack, where each lies, what it scored."""

from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from data_schemas.errors import NotFound
from data_schemas.gate import GateOutcome, GateResult
from data_schemas.score import VolumeScreening
from data_schemas.study import StoredInstance
from data_schemas.volume import StackFault, VolumeFacts
from data_schemas.worklist import StudyRecord
from triage.images.series import Stack, facts, letters, stack_series
from triage.series_screening import by_series
from triage.store.studies import study_record
from triage.web.site import Site

CONTENT = 16
"""Letters of a file's hash that stand in an image's address: what a browser kept under it is always right."""
FEWEST_FOR_PLANES = 16
COARSEST = 4.0
"""How many times larger than a pixel the distance between slices may be, to cut across them."""


class Shown(NamedTuple):
    """One series that is scrolled through."""

    uid: str
    stack: Stack
    instances: dict[str, StoredInstance]
    """By SOP Instance UID."""
    volume: VolumeScreening | None
    """What the newest screening says of it."""

    @property
    def facts(self) -> VolumeFacts:
        """As the screening saw it, else as it is."""
        return self.volume.facts if self.volume and self.volume.facts else facts(self.stack)

    @property
    def placed(self) -> bool:
        """Whether its images say where they lie."""
        return all(found.fault is not StackFault.POSITION for found in self.stack.irregularities)


def stacks_of(record: StudyRecord) -> list[Shown]:
    """Every series of the study that has slices, in the study's order of series."""
    volumes = {one.series_instance_uid: one for one in record.screening.volumes} if record.screening else {}
    found = []
    order = dict.fromkeys(one.header.series_instance_uid for one in record.instances)
    groups = by_series([one for one in record.instances if one.header.has_pixels])
    for uid in order:
        members = groups.get(uid, {})
        stack = stack_series([one.header for one in members.values()])
        shown = Shown(uid, stack, members, volumes.get(uid))
        if stack.slices and is_stack(shown):
            found.append(shown)
    return found


def is_stack(shown: Shown) -> bool:
    """Slices in the patient, frames of one file, or what a model has read as a series."""
    if shown.volume is not None and shown.volume.facts is not None:
        return True
    return len(shown.stack.slices) > 1 and (shown.placed or len(shown.instances) == 1)


def described(shown: Shown) -> dict[str, Any]:
    """The series in few words, for the study page."""
    header = shown.stack.slices[0].header
    return {
        "uid": shown.uid,
        "number": header.series_number,
        "description": header.series_description,
        "modality": header.modality,
        "slices": len(shown.stack.slices),
        "received_at": max(one.received_at for one in shown.instances.values()).isoformat(),
        "facts": facts_of(shown),
        "not_taken": shown.volume.not_taken if shown.volume else "",
        "scored": bool(shown.volume and shown.volume.scores),
        "stopped": next((gate.sentence for gate in gates_of(shown) if gate.outcome is GateOutcome.STOPPED), ""),
        "left_out": [one.why for one in shown.facts.left_out],
    }


def gates_of(shown: Shown) -> tuple[GateResult, ...]:
    """What the screening checked."""
    return shown.volume.gates if shown.volume else ()


def facts_of(shown: Shown) -> dict[str, Any] | None:
    """Geometry that a person reads; None where the images do not say where they lie."""
    if not shown.placed:
        return None
    known = shown.facts
    return {
        "orientation": known.orientation,
        "pixel_mm": list(known.pixel_spacing_mm),
        "gaps_mm": list(known.gaps_mm),
        "thickness_mm": known.thickness_mm,
        "tilt_deg": known.tilt_deg,
    }


async def series(site: Site, request: Request) -> Response:
    """Each slice of one series in order: where its pixels are, where it lies, which plane of a map is its own."""
    record = await run_in_threadpool(study_record, site.store, request.path_params["uid"])
    shown = next((one for one in stacks_of(record) if one.uid == request.path_params["series_uid"]), None)
    if shown is None:
        raise NotFound("the study has no such series of slices")
    return JSONResponse({"revision": record.revision, "screening": record.screening_number, **slices_of(shown)})


def slices_of(shown: Shown) -> dict[str, Any]:
    """UIDs once for each file, and then one short line for each slice."""
    slices, known = shown.stack.slices, shown.facts
    numbers = {uid: place for place, uid in enumerate(shown.instances)}
    scored = shown.volume.slices if shown.volume else ()
    planes = {(one.sop_instance_uid, one.frame): place for place, one in enumerate(scored)}
    plane = slices[0].plane
    sides = {one.header.laterality for one in slices}
    return {
        "uid": shown.uid,
        "modality": slices[0].header.modality,
        "laterality": sides.pop() if len(sides) == 1 else None,
        "instances": [[uid, one.sha256[:CONTENT]] for uid, one in shown.instances.items()],
        "slices": [
            [
                numbers[one.header.sop_instance_uid],
                one.frame,
                round(position, 2) if shown.placed else None,
                planes.get((one.header.sop_instance_uid, one.frame)),
            ]
            for one, position in zip(slices, shown.stack.positions_mm, strict=True)
        ],
        "findings": list(shown.volume.findings) if shown.volume else [],
        "probabilities": [list(one.probabilities) for one in scored],
        "orientation": [letters(plane.along_row), letters(plane.along_column)] if shown.placed else [],
        "axis": along_stack(shown) if shown.placed else "",
        "spacing_mm": list(plane.spacing_mm),
        "gap_mm": known.gaps_mm[1],
        "cut_across": can_cut(shown),
    }


def along_stack(shown: Shown) -> str:
    """Where the last slice lies, seen from the first."""
    column = [row[2] for row in shown.facts.affine[:3]]
    return letters((column[0], column[1], column[2]))


def can_cut(shown: Shown) -> bool:
    """Whether planes across the slices show the patient's shape: even, upright, of one size and fine enough."""
    harmless = {StackFault.TILT, StackFault.SHIFT} if shown.facts.tilt_deg < 1.0 else set()
    known = shown.facts
    return (
        shown.placed
        and len(shown.stack.slices) >= FEWEST_FOR_PLANES
        and all(one.fault in harmless for one in shown.stack.irregularities)
        and 0 < known.gaps_mm[1] <= COARSEST * min(known.pixel_spacing_mm)
    )
