"""Studies put into a store without files' worth of ceremony."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_schemas.explanation import Explanation, ExplanationHeader
from data_schemas.score import BundleIdentity, FindingScore, ImageScreening, ScreeningStatus, StudyScreening
from data_schemas.study import InstanceHeader, StudyHeader
from data_schemas.urgency import Level, Urgency
from data_schemas.worklist import IntakeOutcome
from triage.store import Store
from triage.store.receive import receive

BUNDLE = BundleIdentity(name="test", version="1", weights_sha256="w" * 64)


def send(
    store: Store,
    study: str,
    image: str = "",
    *,
    content: bytes = b"",
    ordered: Level | None = None,
    requested: Level | None = None,
    spool: Path | None = None,
    modality: str = "DX",
    quiet_s: float = 0.0,
    **patient: Any,
) -> IntakeOutcome:
    """One instance of a study, its file made of `content`."""
    image = image or f"{study}.1"
    content = content or image.encode(errors="replace")
    folder = spool or store.files.parent / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(content).hexdigest()
    spooled = folder / f"{digest[:8]}-{np.random.default_rng().integers(2**40)}.part"
    spooled.write_bytes(content)
    header = InstanceHeader(
        study_instance_uid=study,
        series_instance_uid=f"{study}.0",
        sop_instance_uid=image,
        sop_class_uid="1.2",
        transfer_syntax_uid="1.2",
        modality=modality,
        rows=10,
        columns=12,
        has_pixels=True,
    )
    about = StudyHeader(study_instance_uid=study, requested_priority=requested, **patient)
    try:
        return receive(
            store,
            about,
            header,
            spooled,
            digest,
            ordered_priority=ordered,
            source="test",
            actor="tester",
            quiet_s=quiet_s,
        )
    finally:
        spooled.unlink(missing_ok=True)


def result(
    study: str,
    level: Level = Level.ROUTINE,
    *,
    ordered: Level = Level.ROUTINE,
    scored: bool = True,
    images: str = "i" * 64,
    probability: float = 0.8,
) -> StudyScreening:
    """What a screening might say."""
    score = FindingScore(
        finding="opacity",
        label="opacity",
        probability=probability,
        operating_point=0.4,
        positive=probability >= 0.4,
        level=level,
    )
    scores = (score,) if scored else ()
    return StudyScreening(
        study_instance_uid=study,
        status=ScreeningStatus.RANKED if scored else ScreeningStatus.NOT_SCORED,
        urgency=Urgency(level=level, ordered_priority=ordered, reason="because"),
        images=(ImageScreening(sop_instance_uid=f"{study}.1", gates=(), bundle=BUNDLE, scores=scores),),
        findings=scores,
        bundle=BUNDLE if scored else None,
        images_sha256=images,
        software_version="0",
        seconds={"total": 0.1},
    )


def maps(study: str, findings: Sequence[str] = ("opacity",), method: str = "gradcam") -> tuple[Explanation, ...]:
    """A small map for each finding."""
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    return tuple(
        Explanation(
            ExplanationHeader(
                sop_instance_uid=f"{study}.1",
                finding=finding,
                method=method,
                parameters={},
                bundle=BUNDLE,
                rows=10,
                columns=12,
                to_image=((4.0, 0.0, 1.5), (0.0, 5.0, 2.0)),
            ),
            values,
        )
        for finding in findings
    )
