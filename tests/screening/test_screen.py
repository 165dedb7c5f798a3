"""The path of a study: gates first, then scores with their maps, and always a level with its reason."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless

from data_schemas.errors import NotFound
from data_schemas.gate import GateOutcome
from data_schemas.score import ScreeningStatus, StudyScreening
from data_schemas.study import StoredInstance, StudyToScreen
from data_schemas.urgency import Level
from tests.dicom import SECONDARY_CAPTURE, dx_file, values_like_a_film
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header
from triage.models.bundle import Bundle
from triage.screening import explain, gave_up, screen


def study_of(*paths: Path, ordered: Level = Level.ROUTINE) -> StudyToScreen:
    read = [read_header(path) for path in paths]
    instances = tuple(
        StoredInstance(
            header=header, sha256=f"{n:064x}", size_bytes=1, path=path, received_at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        for n, (path, (_, header)) in enumerate(zip(paths, read, strict=True))
    )
    return StudyToScreen(study=read[0][0], ordered_priority=ordered, instances=instances)


def film(tmp_path: Path, name: str = "a.dcm", **attributes: Any) -> Path:
    return dx_file(tmp_path / name, values_like_a_film(120, 100), **attributes)


def without_seconds(screening: StudyScreening) -> dict[str, Any]:
    return screening.model_dump(exclude={"seconds"})


def test_a_frontal_film_is_scored_and_explained(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    screening, maps = screen(study_of(film(tmp_path)), [reader], pool)
    assert screening.status is ScreeningStatus.RANKED
    assert {score.finding for score in screening.findings} == {"effusion", "nodule"}
    assert [map_.header.finding for map_ in maps] == ["effusion", "nodule"]
    assert all((map_.header.rows, map_.header.columns) == (120, 100) for map_ in maps)
    assert screening.bundle == reader.identity
    assert set(screening.seconds) == {"gate", "read", "prepare", "score", "explain", "total"}


def test_equal_input_gives_equal_output(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    study = study_of(film(tmp_path, syntax=JPEGLSLossless))
    (first, maps), (second, same_maps) = screen(study, [reader], pool), screen(study, [reader], pool)
    assert without_seconds(first) == without_seconds(second)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(maps, same_maps, strict=True))


def test_a_positive_finding_with_evidence_lifts_and_one_without_does_not(
    tmp_path: Path, reader: Bundle, pool: DecodePool
) -> None:
    screening, _ = screen(study_of(film(tmp_path), ordered=Level.LOW), [reader], pool)
    levels = {score.finding: score.level for score in screening.findings}
    assert levels == {"effusion": Level.HIGH, "nodule": None}
    positive = {score.finding for score in screening.findings if score.positive}
    assert screening.urgency.level is (Level.HIGH if "effusion" in positive else Level.LOW)


@pytest.mark.parametrize(
    ("attributes", "gate", "words"),
    [
        ({"Modality": "MG"}, "modality", "no installed model reads MG"),
        ({"BodyPartExamined": "HAND"}, "body part", "body part hand"),
        ({"ViewPosition": "LL"}, "view", "lateral view"),
        ({"PatientAge": "005Y"}, "age", "5"),
        ({"BitsStored": 6, "HighBit": 5}, "bits", "6 bits"),
    ],
)
def test_a_gate_stops_with_its_sentence(
    tmp_path: Path, reader: Bundle, pool: DecodePool, attributes: dict[str, Any], gate: str, words: str
) -> None:
    screening, maps = screen(study_of(film(tmp_path, **attributes), ordered=Level.HIGH), [reader], pool)
    assert (screening.status, maps) == (ScreeningStatus.NOT_SCORED, ())
    stops = [result for result in screening.images[0].gates if result.outcome is GateOutcome.STOPPED]
    assert stops[0].gate == gate
    assert words in screening.urgency.reason
    assert screening.urgency.level is Level.HIGH, "it keeps its ordered place"


def test_a_blank_image_is_not_scored(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    path = dx_file(tmp_path / "a.dcm", np.full((120, 100), 700, np.uint16))
    screening, _ = screen(study_of(path), [reader], pool)
    assert screening.status is ScreeningStatus.NOT_SCORED
    assert "blank" in screening.urgency.reason or "one value" in screening.urgency.reason


def test_what_looks_like_nothing_known_is_not_scored(tmp_path: Path, narrow_reader: Bundle, pool: DecodePool) -> None:
    screening, maps = screen(study_of(film(tmp_path)), [narrow_reader], pool)
    assert (screening.status, maps, screening.findings) == (ScreeningStatus.NOT_SCORED, (), ())
    assert "does not look like" in screening.urgency.reason


def test_damaged_pixels_stop_their_own_image_only(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    damaged = film(tmp_path, "a.dcm", syntax=JPEGLSLossless)
    content = bytearray(damaged.read_bytes())
    at = content.rindex(b"\xfe\xff\x00\xe0") + 8
    content[at : at + 20] = bytes(20)
    damaged.write_bytes(content)
    screening, _ = screen(study_of(damaged, film(tmp_path, "b.dcm")), [reader], pool)
    assert screening.status is ScreeningStatus.RANKED
    assert [bool(image.scores) for image in screening.images] == [False, True]


def test_marks_are_shown_and_do_not_stop(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    path = film(
        tmp_path,
        SOPClassUID=SECONDARY_CAPTURE,
        BodyPartExamined="CHEST",
        ViewPosition=None,
        BurnedInAnnotation="YES",
        PresentationIntentType="FOR PROCESSING",
    )
    screening, _ = screen(study_of(path), [reader], pool)
    assert screening.status is ScreeningStatus.RANKED
    marks = {gate.gate for gate in screening.images[0].gates if gate.outcome is GateOutcome.MARKED}
    assert marks == {"modality", "view", "burned-in text", "processing"}


def test_several_reasons_are_counted(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    study = study_of(film(tmp_path, "a.dcm", ViewPosition="LL"), film(tmp_path, "b.dcm", BodyPartExamined="HAND"))
    screening, _ = screen(study, [reader], pool)
    assert (
        screening.urgency.reason == "not scored: lateral view; 1 more reasons" or "1 more" in screening.urgency.reason
    )


@pytest.mark.parametrize("method", ["gradcam", "saliency"])
def test_maps_are_made_on_demand(tmp_path: Path, reader: Bundle, pool: DecodePool, method: str) -> None:
    study = study_of(film(tmp_path))
    screening, maps = screen(study, [reader], pool)
    (made,) = explain(study, screening, [reader], pool, finding="effusion", method=method)
    assert (made.header.method, made.header.finding) == (method, "effusion")
    if method == "gradcam":
        np.testing.assert_allclose(made.values, maps[0].values, rtol=1e-5, atol=1e-7)


def test_a_map_that_cannot_be_made_says_why(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    study = study_of(film(tmp_path))
    screening, _ = screen(study, [reader], pool)
    stopped, _ = screen(study_of(film(tmp_path, "l.dcm", ViewPosition="LL")), [reader], pool)
    for wrong, words in (
        ({"finding": "fracture", "method": "gradcam"}, "not one of the model's"),
        ({"finding": "effusion", "method": "guess"}, "there are gradcam and saliency"),
    ):
        with pytest.raises(NotFound, match=words):
            explain(study, screening, [reader], pool, **wrong)
    with pytest.raises(NotFound, match="lateral view"):
        explain(study, stopped, [reader], pool, finding="effusion", method="gradcam")
    with pytest.raises(NotFound, match="no longer installed"):
        explain(study, screening, [], pool, finding="effusion", method="gradcam")


def test_giving_up_keeps_the_place(tmp_path: Path) -> None:
    given_up = gave_up(study_of(film(tmp_path), ordered=Level.STAT), "it failed 5 times")
    assert given_up.urgency.level is Level.STAT
    assert given_up.urgency.reason == "ordered STAT; not scored: it failed 5 times"
