"""Studies put straight into a store, screened or not, with the values that a bundle would have given."""

from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from data_schemas.explanation import Explanation, ExplanationHeader
from data_schemas.gate import GateOutcome, GateResult
from data_schemas.score import BundleIdentity, FindingScore, ImageScreening, ScreeningStatus, StudyScreening
from data_schemas.study import InstanceHeader, StudyHeader
from data_schemas.urgency import Level, Urgency
from tests.dicom import as_bytes, dx
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.store import Store
from triage.store.receive import receive
from triage.store.screenings import record_screening
from triage.store.studies import study_record

BUNDLE = BundleIdentity(name="drawn", version="1", weights_sha256="0" * 64)
FINDINGS = (
    ("opacity", "Lung opacity", Level.HIGH),
    ("effusion", "Pleural effusion", Level.HIGH),
    ("mass", "Mass", None),
)


def arrive(store: Store, spool: Path, *, ordered: Level | None = None, **attributes: object) -> StudyHeader:
    """One radiograph, received as from anywhere; `attributes` are those of its DICOM file."""
    spool.mkdir(parents=True, exist_ok=True)
    part = spool / f"{generate_uid()}.part"
    part.write_bytes(as_bytes(dx(**attributes)))  # type: ignore[arg-type]
    study, instance = read_header(part, limits=ReadLimits())
    receive(store, study, instance, part, generate_uid(), ordered_priority=ordered, source="test", actor="test")
    return study


def screened(store: Store, study: StudyHeader, *, opacity: float = 0.1, images_sha256: str = "1" * 64) -> None:
    """The study as a bundle leaves it: ranked, with a map of each finding on its image."""
    record = study_record(store, study.study_instance_uid)
    image = record.instances[0].header
    positive = opacity >= 0.41
    scores = tuple(
        FindingScore(
            finding=name,
            label=label,
            probability=opacity / (place + 1),
            operating_point=0.41,
            positive=opacity / (place + 1) >= 0.41,
            level=proposed,
        )
        for place, (name, label, proposed) in enumerate(FINDINGS)
    )
    level = min(record.ordered_priority, Level.HIGH, key=lambda one: one.rank) if positive else record.ordered_priority
    reason = f"AI: lung opacity {opacity:.2f} (acts from 0.41)" if positive else f"ordered {record.ordered_priority}"
    gates = (
        GateResult(gate="modality", outcome=GateOutcome.PASSED, sentence="DX is a radiograph"),
        GateResult(gate="age", outcome=GateOutcome.MARKED, sentence="the age is not stated"),
    )
    screening = StudyScreening(
        study_instance_uid=study.study_instance_uid,
        status=ScreeningStatus.RANKED,
        urgency=Urgency(level=level, ordered_priority=record.ordered_priority, reason=reason),
        images=(ImageScreening(sop_instance_uid=image.sop_instance_uid, gates=gates, bundle=BUNDLE, scores=scores),),
        findings=scores,
        bundle=BUNDLE,
        images_sha256=images_sha256,
        software_version="0",
        seconds={"read": 0.04, "score": 0.03, "total": 0.09},
    )
    record_screening(store, screening, [drawn_map(image, name) for name, _, _ in FINDINGS], revision=record.revision)


def drawn_map(image: InstanceHeader, finding: str) -> Explanation:
    """A bump in the upper left quarter of the image."""
    y, x = np.mgrid[0:14, 0:14].astype(np.float32)
    values = np.exp(-((x - 4) ** 2 + (y - 4) ** 2) / 6).astype(np.float32)
    across, down = image.columns / 14, image.rows / 14
    header = ExplanationHeader(
        sop_instance_uid=image.sop_instance_uid,
        finding=finding,
        method="gradcam",
        parameters={"layer": "drawn"},
        bundle=BUNDLE,
        rows=image.rows,
        columns=image.columns,
        to_image=((across, 0.0, across / 2 - 0.5), (0.0, down, down / 2 - 0.5)),
    )
    return Explanation(header, values)
