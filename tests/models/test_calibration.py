import math

import numpy as np
import pytest

from data_schemas.bundle import Calibration
from data_schemas.urgency import Level
from tests.models import tiny
from triage.models.calibration import finding_scores, probability


def test_scores_are_platt_scaled_and_compared_with_their_operating_point() -> None:
    scores = finding_scores(tiny.manifest(), np.array([0.5, -2.0, 0.0], dtype=np.float32))
    assert [score.finding for score in scores] == ["effusion", "nodule", "mass"]
    assert scores[0].probability == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert [score.positive for score in scores] == [True, False, True]


def test_a_finding_with_weak_evidence_proposes_nothing() -> None:
    scores = finding_scores(tiny.manifest(), np.zeros(3, dtype=np.float32))
    assert [score.level for score in scores] == [Level.HIGH, None, Level.HIGH]


@pytest.mark.parametrize(("logit", "expected"), [(1e4, 1.0), (-1e4, 0.0), (0.0, 0.5)])
def test_extreme_logits_do_not_overflow(logit: float, expected: float) -> None:
    assert probability(Calibration(slope=2.0, offset=0.0), logit) == expected


def test_knots_are_joined_by_lines_and_go_on_level_beyond_the_ends() -> None:
    calibration = Calibration(slope=9.0, offset=9.0, knots=((-1.0, 0.1), (1.0, 0.1), (3.0, 0.7)))
    told = [probability(calibration, logit) for logit in (-1e9, -1.0, 0.0, 1.0, 2.0, 3.0, 1e9)]
    assert told == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.4, 0.7, 0.7])


def test_exactly_the_operating_point_is_positive() -> None:
    manifest = tiny.manifest()
    at = manifest.findings[0].model_copy(update={"calibration": Calibration(slope=1, offset=0), "operating_point": 0.5})
    manifest = manifest.model_copy(update={"findings": (at,)})
    assert finding_scores(manifest, np.zeros(1, dtype=np.float32))[0].positive


@pytest.mark.parametrize("row", [[0.0, 1.0], [0.0, 1.0, float("nan")], [0.0, float("inf"), 0.0]])
def test_a_row_that_is_not_a_score_is_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="logit"):
        finding_scores(tiny.manifest(), np.array(row, dtype=np.float32))
