"""Maps for people outside the page: from the store, or made now, written as files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_schemas.errors import NotFound
from data_schemas.explanation import Explanation
from data_schemas.study import StudyToScreen
from triage.assembly import Screener
from triage.explain.drawing import on_image, overlay_png
from triage.images.display import display
from triage.store import Store
from triage.store.screenings import record_explanations
from triage.store.studies import explanations, study_record, study_to_screen


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
    """Writes each map as overlay PNG and as .npy on the original rows x columns; gives a description of each."""
    out.mkdir(parents=True, exist_ok=True)
    request = study_to_screen(store, study_uid)
    for number, explanation in enumerate(
        maps_of(store, screener, study_uid, finding=finding, method=method, actor="command line"), start=1
    ):
        header = explanation.header
        stem = f"{header.method}_{header.finding}_{number}"
        overlay, raw = out / f"{stem}.png", out / f"{stem}.npy"
        full = on_image(explanation)
        write_whole(overlay, overlay_png(picture_of(request, screener, header.sop_instance_uid), explanation))
        with raw.with_suffix(".part").open("wb") as file:
            np.save(file, full)
        raw.with_suffix(".part").replace(raw)
        yield {
            "study_instance_uid": study_uid,
            "sop_instance_uid": header.sop_instance_uid,
            "finding": header.finding,
            "method": header.method,
            "overlay": str(overlay),
            "map": str(raw),
            "rows": header.rows,
            "columns": header.columns,
            "bundle": header.bundle.name,
            "bundle_version": header.bundle.version,
        }


def picture_of(request: StudyToScreen, screener: Screener, sop_instance_uid: str) -> np.ndarray:
    """The original image as a person sees it: float32 rows x columns, 0 black to 1 white."""
    instance = next(i for i in request.instances if i.header.sop_instance_uid == sop_instance_uid)
    return display(screener.pool.read(instance.path, instance.header))


def write_whole(path: Path, data: bytes) -> None:
    """Never leaves half a file under the final name."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
