"""Values are frozen, refuse what they do not know, and survive a round trip through JSON."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_schemas.audit import TrailEntry, TrailEvent
from data_schemas.bundle import EVIDENCE_FLOOR, Calibration, Evidence, FindingSpec
from data_schemas.errors import RefusedFile, TriageError
from data_schemas.explanation import ExplanationHeader
from data_schemas.score import BundleIdentity
from data_schemas.urgency import Level
from data_schemas.worklist import FileReport, IntakeOutcome, WorklistCounts


def finding(low: float) -> FindingSpec:
    return FindingSpec(
        name="opacity",
        label="opacity",
        calibration=Calibration(slope=1.0, offset=0.0),
        operating_point=0.4,
        operating_point_chosen="in a test",
        proposes=Level.HIGH,
        evidence=Evidence(auroc=0.8, low=low, high=0.9, positives=10, negatives=90, method="in a test"),
    )


@given(st.floats(0, 1))
def test_a_finding_may_lift_only_on_its_lower_bound(low: float) -> None:
    assert finding(low).may_lift == (low >= EVIDENCE_FLOOR)


def test_a_finding_that_its_author_keeps_experimental_lifts_nothing_whatever_its_figures() -> None:
    held = finding(0.99).model_copy(update={"proposes": None})
    assert (held.lifts_to, held.may_lift) == (None, False)
    assert FindingSpec.model_validate_json(held.model_dump_json()) == held


def test_levels_rank_from_stat_to_low() -> None:
    assert [level.rank for level in (Level.STAT, Level.HIGH, Level.ROUTINE, Level.LOW)] == [0, 1, 2, 3]


def test_an_unknown_field_and_a_changed_field_are_errors() -> None:
    with pytest.raises(ValidationError):
        WorklistCounts(stats=3)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        WorklistCounts().stat = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "knots",
    [
        ((0.0, 0.2), (0.0, 0.4)),
        ((1.0, 0.2), (0.0, 0.4)),
        ((0.0, 0.4), (1.0, 0.2)),
        ((0.0, 0.0), (1.0, 0.5)),
        ((0.0, 0.5), (1.0, 1.0)),
        ((0.0, float("nan")),),
        ((float("-inf"), 0.5),),
    ],
)
def test_knots_that_do_not_rise_or_are_certain_are_errors(knots: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ValidationError):
        Calibration(slope=1.0, offset=0.0, knots=knots)


def test_scaling_without_knots_is_written_as_before_there_were_any() -> None:
    assert Calibration(slope=1.0, offset=0.5).model_dump_json() == '{"slope":1.0,"offset":0.5}'
    assert Calibration.model_validate_json('{"slope": 1.0, "offset": 0.5}').knots == ()


@pytest.mark.parametrize(
    "value",
    [
        finding(0.7),
        Calibration(slope=1.0, offset=0.0, knots=((-1.0, 0.1), (0.5, 0.1), (2.0, 0.9))),
        TrailEvent(kind="received", actor="system", fields={"bytes": 12}),
        TrailEntry(kind="received", actor="a", sequence=1, at=datetime.now(UTC), previous_hash="", hash="00"),
        FileReport(file="a.dcm", accepted=True, sentence="taken in", outcome=IntakeOutcome.NEW),
        ExplanationHeader(
            sop_instance_uid="1.2",
            finding="opacity",
            method="gradcam",
            parameters={"layer": "last"},
            bundle=BundleIdentity(name="cxr", version="1", weights_sha256="00"),
            rows=2,
            columns=3,
            to_image=((1, 0, 0), (0, 1, 0)),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_survive_json(value: FindingSpec | Calibration | TrailEvent | FileReport | ExplanationHeader) -> None:
    assert type(value).model_validate_json(value.model_dump_json()) == value


def test_an_error_is_a_sentence_with_fields() -> None:
    error: TriageError = RefusedFile("a.zip is locked with a password; unpack it first", member=3)
    assert str(error) == error.sentence
    assert error.fields == {"member": 3}
