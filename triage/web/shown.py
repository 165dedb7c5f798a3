"""Studies and rows as the page shows them: plain values and words, made from what the store knows."""

from typing import Any

from data_schemas.explanation import Explanation
from data_schemas.gate import GateResult
from data_schemas.reading import GivenVerdict, PastScreening
from data_schemas.score import FindingScore
from data_schemas.study import StoredInstance, StudyHeader
from data_schemas.worklist import StudyRecord
from triage.store import Store
from triage.store.reading import given_verdicts, past_screenings
from triage.store.studies import numbered_explanations, study_record
from triage.store.worklist import position, version
from triage.web.stacks import CONTENT, described, stacks_of

METHODS = {"gradcam": "Grad-CAM", "saliency": "Saliency"}
MEASURES = {
    "gradcam": "what each place adds to the score, in logits",
    "saliency": "how much a change of each place would change the score, in logits",
}


def patient(study: StudyHeader) -> dict[str, Any]:
    """Who, and which examination."""
    return {
        "name": person_name(study.patient_name),
        "id": study.patient_id,
        "birth_date": iso_date(study.patient_birth_date),
        "sex": study.patient_sex,
        "age": age(study.age_years),
        "accession": study.accession_number,
        "description": study.study_description,
        "study_date": iso_date(study.study_date),
    }


def person_name(name: str) -> str:
    """FAMILY^GIVEN^MIDDLE^PREFIX^SUFFIX (PS3.5 6.2.1) as "FAMILY, GIVEN MIDDLE"; spelling and case stay."""
    parts = [part.strip() for part in name.split("=")[0].split("^")]
    family, given = parts[0], " ".join(part for part in parts[1:3] if part)
    return ", ".join(part for part in (family, given) if part)


def iso_date(date: str) -> str:
    """YYYYMMDD as YYYY-MM-DD; anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 and date.isdecimal() else date


def age(years: float | None) -> str:
    """In the unit that people use for that age."""
    if years is None:
        return ""
    if years < 2:
        return f"{round(years * 12)} mo"
    return f"{int(years)}"


def study(store: Store, uid: str, known: int = -1) -> dict[str, Any]:
    """Everything the page shows of a study; of a version that it knows, that version alone. Raises NotFound."""
    now = version(store)
    if now == known:
        return {"version": now}
    record = study_record(store, uid)
    stacks = stacks_of(record)
    slices = {one.header.sop_instance_uid for stack in stacks for one in stack.stack.slices}
    return {
        "version": now,
        "uid": uid,
        "position": position(store, uid),
        "revision": record.revision,
        "status": record.status,
        "level": record.urgency.level,
        "ordered": record.ordered_priority,
        "reason": record.urgency.reason,
        "received_at": record.received_at.isoformat(),
        **patient(record.study),
        "images": [image(one) for one in record.instances if one.header.sop_instance_uid not in slices],
        "series": [described(stack) for stack in stacks],
        "findings": findings(record),
        "gates": gates(record),
        "provenance": provenance(record),
        "maps": [described_map(number, found) for number, found in numbered_explanations(store, uid)],
        "screening": record.screening_number,
        "verdicts": [given(verdict, record.screening_number) for verdict in given_verdicts(store, uid)],
        "history": [past(screening) for screening in past_screenings(store, uid)],
    }


def image(instance: StoredInstance) -> dict[str, Any]:
    """What a viewer must know of an image before its pixels come."""
    header = instance.header
    return {
        "sop_uid": header.sop_instance_uid,
        "series_uid": header.series_instance_uid,
        "rows": header.rows,
        "columns": header.columns,
        "has_pixels": header.has_pixels,
        "received_at": instance.received_at.isoformat(),
        "modality": header.modality,
        "view": header.view_position,
        "content": instance.sha256[:CONTENT],
        "frames": header.frames,
        "orientation": list(header.patient_orientation or ()),
        "laterality": header.laterality,
        "spacing_mm": list(header.pixel_spacing_mm or ()),
        "description": header.series_description,
    }


def findings(record: StudyRecord) -> list[dict[str, Any]]:
    """Most urgent first; `lifts` is the level that a positive finding proposes."""
    found = record.screening.findings if record.screening else ()
    return [finding(score) for score in found]


def finding(score: FindingScore) -> dict[str, Any]:
    """One score beside its operating point."""
    return {
        "finding": score.finding,
        "label": score.label,
        "probability": score.probability,
        "operating_point": score.operating_point,
        "positive": score.positive,
        "lifts": score.level,
        "set_by_site": score.set_by_site.model_dump(mode="json") if score.set_by_site else None,
    }


def given(verdict: GivenVerdict, newest: int | None) -> dict[str, Any]:
    """What a reader said of this result, or of an older one."""
    return {
        "number": verdict.number,
        "verdict": verdict.verdict,
        "comment": verdict.comment,
        "actor": verdict.actor,
        "made_at": verdict.made_at.isoformat(),
        "current": verdict.screening == newest,
    }


def past(screening: PastScreening) -> dict[str, Any]:
    """One of the results that the study had."""
    result = screening.result
    return {
        "number": screening.number,
        "made_at": screening.made_at.isoformat(),
        "model": f"{result.bundle.name} {result.bundle.version}" if result.bundle else "",
        "status": result.status,
        "level": result.urgency.level,
        "reason": result.urgency.reason,
        "findings": [finding(score) for score in result.findings],
    }


def gates(record: StudyRecord) -> dict[str, list[dict[str, str]]]:
    """Gates with their sentences, by SOP Instance UID of an image or Series Instance UID of a series."""
    if record.screening is None:
        return {}
    judged = {one.sop_instance_uid: one.gates for one in record.screening.images}
    judged |= {one.series_instance_uid: one.gates for one in record.screening.volumes}
    return {uid: [gate_line(gate) for gate in gates] for uid, gates in judged.items()}


def gate_line(gate: GateResult) -> dict[str, str]:
    """One gate as the page shows it."""
    return {"gate": gate.gate, "outcome": gate.outcome, "sentence": gate.sentence}


def provenance(record: StudyRecord) -> list[tuple[str, str]]:
    """Which model, which software, which pixels; names and values in reading order."""
    screening = record.screening
    lines = [("Study Instance UID", record.study.study_instance_uid), ("Ordered priority", record.ordered_priority)]
    if screening is None:
        return lines
    if screening.bundle is not None:
        lines += [
            ("Model", f"{screening.bundle.name} {screening.bundle.version}"),
            ("Weights SHA-256", screening.bundle.weights_sha256),
        ]
    lines += [("Images SHA-256", screening.images_sha256), ("Software", screening.software_version)]
    lines += [(f"Time, {stage}", f"{seconds * 1000:.0f} ms") for stage, seconds in screening.seconds.items()]
    return lines


def described_map(number: int, explanation: Explanation) -> dict[str, Any]:
    """A map without its pixels: what it is of, by which method, and the value of its strongest colour."""
    header = explanation.header
    return {
        "number": number,
        "sop_uid": header.sop_instance_uid,
        "series_uid": header.series_instance_uid,
        "driving": header.driving,
        "finding": header.finding,
        "method": header.method,
        "method_words": METHODS.get(header.method, header.method),
        "measure": MEASURES.get(header.method, "in the method's own unit"),
        "maximum": float(explanation.values.max(initial=0.0)),
    }
