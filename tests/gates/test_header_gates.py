"""What a header may say, and what the reader is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.bundle import Accepts, OodSpec, Values
from data_schemas.gate import GateOutcome, GateResult
from data_schemas.study import InstanceHeader, StudyHeader
from triage.gates.body_part import body_part_gate
from triage.gates.contrast import contrast_gate
from triage.gates.distribution import distribution_gate
from triage.gates.encoding import colour_gate
from triage.gates.modality import modality_gate
from triage.gates.order import first_stop, header_gates

CHEST = Accepts(
    modalities=("CR", "DX"),
    body_parts=("CHEST", "THORAX"),
    views=("PA", "AP"),
    min_age_years=18,
    max_age_years=120,
    min_side_px=256,
    max_aspect=2.0,
)
ADULT = StudyHeader(study_instance_uid="1.2", age_years=61)
FRONTAL = InstanceHeader(
    study_instance_uid="1.2",
    series_instance_uid="1.2.3",
    sop_instance_uid="1.2.3.4",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1.1",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    modality="DX",
    body_part="CHEST",
    view_position="PA",
    rows=2500,
    columns=2048,
    photometric_interpretation="MONOCHROME2",
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    has_pixels=True,
)
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def gate(name: str, study: StudyHeader = ADULT, **changes: object) -> GateResult:
    results = header_gates(study, FRONTAL.model_copy(update=changes), CHEST)
    return next(result for result in results if result.gate == name)


def test_a_frontal_adult_chest_passes_everything() -> None:
    assert {result.outcome for result in header_gates(ADULT, FRONTAL, CHEST)} == {GateOutcome.PASSED}


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("modality", {"modality": "MR"}, "modality MR is not one the model reads"),
        ("modality", {"modality": ""}, "modality absent is not one the model reads"),
        (
            "modality",
            {"modality": "OT", "sop_class_uid": SECONDARY_CAPTURE, "body_part": ""},
            "not one the model reads",
        ),
        ("body part", {"body_part": "HAND"}, "body part hand is not one the model reads"),
        ("body part", {"body_part": "CHEST_ABDOMEN"}, "not one the model reads"),
        ("view", {"view_position": "LL"}, "lateral view"),
        ("view", {"view_position": "", "series_description": "W Chest Lat."}, "lateral or oblique view"),
        ("view", {"view_position": "LPO"}, "view LPO is not one the model reads"),
        ("frames", {"frames": 12}, "12 frames"),
        ("bits", {"bits_stored": 20}, "20 bits stored do not fit 16 allocated"),
        ("bits", {"bits_stored": 1, "high_bit": 0}, "too few grey levels"),
        ("size", {"rows": 100, "columns": 100}, "too small"),
        ("size", {"rows": 4000, "columns": 1000}, "too long"),
    ],
)
def test_what_stops_an_image_is_said_in_words(name: str, changes: dict[str, object], sentence: str) -> None:
    result = gate(name, **changes)
    assert result.outcome is GateOutcome.STOPPED
    assert sentence in result.sentence


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("modality", {"sop_class_uid": SECONDARY_CAPTURE}, "secondary capture of DX"),
        ("modality", {"modality": "OT", "sop_class_uid": SECONDARY_CAPTURE}, "secondary capture"),
        ("body part", {"body_part": ""}, "not stated"),
        ("view", {"view_position": ""}, "not stated"),
        ("body part", {"body_part": "PORTABLE ROUTINE"}, "names no known body part"),
        ("colour", {"photometric_interpretation": "RGB", "samples_per_pixel": 3}, "stored as colour"),
        ("colour", {"photometric_interpretation": "PALETTE COLOR"}, "stored as colour"),
        ("bits", {"high_bit": 15}, "unusual high bit"),
        ("processing", {"presentation_intent": "FOR PROCESSING"}, "raw detector image"),
        ("burned-in text", {"burned_in_annotation": "YES"}, "burned into the image"),
    ],
)
def test_what_is_only_marked_goes_on(name: str, changes: dict[str, object], sentence: str) -> None:
    result = gate(name, **changes)
    assert result.outcome is GateOutcome.MARKED
    assert sentence in result.sentence


def test_age_outside_the_validated_range_stops_and_an_absent_age_is_marked() -> None:
    child = gate("age", study=ADULT.model_copy(update={"age_years": 7.2}))
    assert child.outcome is GateOutcome.STOPPED
    assert child.sentence == "patient is 7 years old; the model was validated for 18 to 120"
    baby = gate("age", study=ADULT.model_copy(update={"age_years": 0.5}))
    assert baby.sentence.startswith("patient is 0.5 years old")
    assert gate("age", study=ADULT.model_copy(update={"age_years": None})).outcome is GateOutcome.MARKED


def test_inversion_asked_by_the_header_is_said() -> None:
    assert "inverted" in gate("polarity", photometric_interpretation="MONOCHROME1").sentence
    assert "inverted" in gate("polarity", presentation_lut_shape="INVERSE").sentence


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_in_the_header_gets_a_verdict_with_a_sentence(modality: str, part: str, view: str) -> None:
    changes = {"modality": modality, "body_part": part, "view_position": view}
    results = header_gates(ADULT, FRONTAL.model_copy(update=changes), CHEST)
    assert all(result.sentence for result in results)
    if modality not in CHEST.modalities:
        assert first_stop(results) is not None


@pytest.mark.parametrize("distance", [10.1, float("nan"), float("inf")])
def test_a_distant_or_undefined_image_is_stopped(distance: float) -> None:
    spec = OodSpec(statistics_sha256="", threshold=10.0, kept=0.99)
    assert distribution_gate(distance, spec).outcome is GateOutcome.STOPPED
    assert distribution_gate(10.0, spec).outcome is GateOutcome.PASSED


HEAD = Accepts(modalities=("CT",), body_parts=("HEAD", "BRAIN", "SKULL"), without_contrast=True)
EYE = Accepts(modalities=("OPT", "OP"), body_parts=("EYE", "RETINA"))


@pytest.mark.parametrize(
    ("stated", "outcome"),
    [
        ("HEAD", GateOutcome.PASSED),
        ("ROUTINE HEAD", GateOutcome.PASSED),
        ("Head W/O", GateOutcome.PASSED),
        ("KOPF", GateOutcome.PASSED),
        ("CRANIO", GateOutcome.PASSED),
        ("BRAIN, SKULL", GateOutcome.PASSED),
        ("", GateOutcome.MARKED),
        ("CTA", GateOutcome.MARKED),
        ("STROKE PROTOCOL", GateOutcome.MARKED),
        ("\u982d\u90e8", GateOutcome.MARKED),
        ("HEADNECK", GateOutcome.STOPPED),
        ("HEAD AND NECK", GateOutcome.STOPPED),
        ("CSPINE", GateOutcome.STOPPED),
        ("SINUS", GateOutcome.STOPPED),
        ("CHEST", GateOutcome.STOPPED),
    ],
)
def test_a_head_is_known_by_what_scanners_call_it(stated: str, outcome: GateOutcome) -> None:
    assert body_part_gate(FRONTAL.model_copy(update={"body_part": stated}), HEAD).outcome is outcome


@pytest.mark.parametrize(
    ("agent", "outcome"),
    [
        ("", GateOutcome.PASSED),
        ("NONE", GateOutcome.PASSED),
        ("no", GateOutcome.PASSED),
        ("W/O CONTRAST", GateOutcome.PASSED),
        ("ORAL", GateOutcome.PASSED),
        ("ORAL & IV", GateOutcome.STOPPED),
        ("NON-IONIC 350", GateOutcome.STOPPED),
        ("Omnipaque 350", GateOutcome.STOPPED),
        ("APPLIED", GateOutcome.STOPPED),
    ],
)
def test_contrast_medium_stops_what_a_model_reads_without(agent: str, outcome: GateOutcome) -> None:
    header = FRONTAL.model_copy(update={"contrast_agent": agent})
    assert contrast_gate(header, HEAD).outcome is outcome
    assert contrast_gate(header, CHEST).outcome is GateOutcome.PASSED


def test_contrast_medium_is_named_to_the_reader() -> None:
    gate = contrast_gate(FRONTAL.model_copy(update={"contrast_agent": "Omnipaque 350"}), HEAD)
    assert gate.sentence == "contrast medium was given (omnipaque 350); the model reads scans without"


@pytest.mark.parametrize(
    ("changes", "reader"),
    [
        ({"modality": "OT", "body_part": "EYE"}, EYE),
        ({"modality": "", "body_part": "RETINA"}, EYE),
        ({"modality": "SC", "body_part": "", "series_description": "OCT macula 6 mm"}, EYE),
        ({"modality": "OT", "body_part": "CHEST"}, CHEST),
        ({"modality": "OT", "body_part": "HEAD"}, HEAD),
        ({"modality": "OT", "body_part": "HAND"}, None),
        ({"modality": "OT", "body_part": "", "series_description": ""}, None),
        ({"modality": "US", "body_part": "EYE"}, None),
    ],
)
def test_a_capture_that_hides_its_device_goes_by_its_body_part(
    changes: dict[str, object], reader: Accepts | None
) -> None:
    capture = FRONTAL.model_copy(update={"sop_class_uid": SECONDARY_CAPTURE, **changes})
    takers = [one for one in (CHEST, HEAD, EYE) if modality_gate(capture, one).outcome is GateOutcome.MARKED]
    assert takers == ([reader] if reader else [])


def test_colour_holds_no_values_of_a_modality() -> None:
    colour = FRONTAL.model_copy(update={"photometric_interpretation": "RGB", "samples_per_pixel": 3, "modality": "CT"})
    gate = colour_gate(colour, Values.MODALITY)
    assert (gate.outcome, gate.sentence) == (GateOutcome.STOPPED, "stored as colour (RGB), which holds no CT values")
