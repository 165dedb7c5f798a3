"""Where a finding acts: the curve, a point for an aim, and what it means where so many studies have the finding."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from data_schemas.bundle import Calibration, VolumeSpec
from data_schemas.errors import TriageError
from pipelines.judge import Judged, judge
from pipelines.metrics import auroc, patient_bootstrap, sensitivity, specificity
from pipelines.operating_points import (
    app,
    flags_per_100,
    for_flags,
    for_sensitivity,
    misses_per_1000,
    operating_curve,
    pooled_of,
    predictive,
)
from pipelines.scaling import calibrated
from tests.models import tiny

SHARE = st.floats(0.01, 0.99)
SCORED = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=2, max_size=80).filter(
    lambda rows: len({positive for _, positive in rows}) == 2
)


def drawn(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, three images each."""
    random = np.random.default_rng(seed)
    positive = random.random(count) < 0.3
    probabilities = 1 / (1 + np.exp(-(random.normal(size=count) + 1.2 * positive - 1)))
    return probabilities, positive, np.array([f"p{number // 3}" for number in range(count)])


def arrays(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score / 41 for score, _ in rows]), np.array([found for _, found in rows])


def test_each_threshold_of_the_curve_is_told_as_counting_tells_it() -> None:
    probabilities, positive, patients = drawn()
    curve = operating_curve(probabilities, positive, patients, seed=1, resamples=50)
    assert 60 <= len(curve["probability"]) <= 100
    assert curve["probability"] == sorted(set(curve["probability"]))
    for place, point in enumerate(curve["probability"]):
        acts = probabilities >= point
        assert curve["sensitivity"][place] == pytest.approx(sensitivity(acts, positive), abs=1e-4)
        assert curve["specificity"][place] == pytest.approx(specificity(acts, positive), abs=1e-4)


def test_no_step_of_the_curve_is_long_even_where_the_finding_is_rare_and_every_probability_low() -> None:
    probabilities, positive, patients = drawn(3000)
    positive &= np.arange(3000) % 12 == 0
    curve = operating_curve(probabilities / 8, positive, patients, seed=1, resamples=10)
    assert max(np.abs(np.diff(curve["sensitivity"]))) < 0.08
    assert max(np.abs(np.diff(curve["specificity"]))) < 0.08


def test_its_intervals_are_those_of_the_bootstrap_over_patients() -> None:
    probabilities, positive, patients = drawn(150)
    curve = operating_curve(probabilities, positive, patients, seed=5, resamples=300)
    for place in range(0, len(curve["probability"]), 9):
        acts = probabilities >= curve["probability"][place]
        for name, share in (("sensitivity", sensitivity), ("specificity", specificity)):
            found = patient_bootstrap(lambda i, s=share, a=acts: s(a[i], positive[i]), patients, seed=5, resamples=300)
            assert curve[f"{name}_low"][place] == pytest.approx(found.low, abs=1e-4)
            assert curve[f"{name}_high"][place] == pytest.approx(found.high, abs=1e-4)


def test_a_curve_of_one_kind_alone_is_refused() -> None:
    with pytest.raises(TriageError, match="with the finding and without"):
        operating_curve(np.array([0.1, 0.2]), np.array([True, True]), np.array(["a", "b"]), seed=0)


def test_the_evaluation_holds_the_curve_in_the_bundles_own_probabilities() -> None:
    probabilities, positive, patients = drawn(200)
    logits, scale = np.log(probabilities / (1 - probabilities)), Calibration(slope=0.5, offset=0.7)
    groups = np.full(200, "a")
    one = Judged("x", logits, probabilities, probabilities >= 0.5, positive, groups, patients, groups, groups, positive)
    without = judge(one, seed=0, resamples=20)["curve"]
    figures = judge(Judged(**{**vars(one), "calibration": scale}), seed=0, resamples=20)
    acts = calibrated(scale, logits) >= figures["curve"]["probability"][40]
    assert figures["curve"]["sensitivity"][40] == pytest.approx(sensitivity(acts, positive), abs=1e-4)
    assert figures["curve"] != without
    assert len(without["probability"]) == len(without["specificity_high"])
    json.dumps(figures, allow_nan=False)


@given(SCORED, SHARE)
@settings(max_examples=80, deadline=None)
def test_a_point_for_a_sensitivity_is_the_highest_that_keeps_its_word(rows, wanted) -> None:
    probabilities, positive = arrays(rows)
    point = for_sensitivity(probabilities, positive, wanted).probability
    assert sensitivity(probabilities >= point, positive) >= wanted - 1e-9
    higher = [one for one in np.unique(probabilities) if one > point]
    if len(higher) > 1:  # the first of them is acted on by this very point
        assert sensitivity(probabilities >= higher[1], positive) < wanted


@given(SCORED, st.floats(1, 99), SHARE)
@settings(max_examples=80, deadline=None)
def test_a_point_for_a_flag_budget_is_the_lowest_that_keeps_its_word(rows, budget, prevalence) -> None:
    probabilities, positive = arrays(rows)

    def flags(acts: np.ndarray) -> float:
        return flags_per_100(sensitivity(acts, positive), specificity(acts, positive), prevalence)

    point = for_flags(probabilities, positive, budget, prevalence).probability
    assert flags(probabilities >= point) <= budget + 1e-6
    lower = [one for one in np.unique(probabilities) if one < point]
    if lower:
        assert flags(probabilities >= lower[-1]) > budget - 1e-6


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_an_aim_that_is_no_share_is_refused(share: float) -> None:
    probabilities, positive, _ = drawn(20)
    with pytest.raises(TriageError):
        for_sensitivity(probabilities, positive, share)
    with pytest.raises(TriageError):
        for_flags(probabilities, positive, 10, share)


@given(SHARE, SHARE, SHARE)
def test_what_a_point_means_adds_up(found: float, left: float, prevalence: float) -> None:
    """Against closed forms: the odds of a flag are those of the finding times the likelihood ratio (Bayes)."""
    ppv, npv = predictive(found, left, prevalence)
    assert ppv is not None and npv is not None
    odds = prevalence / (1 - prevalence)
    assert ppv / (1 - ppv) == pytest.approx(odds * found / (1 - left), rel=1e-6)
    assert (1 - npv) / npv == pytest.approx(odds * (1 - found) / left, rel=1e-6)
    flags = flags_per_100(found, left, prevalence)
    assert flags * ppv + misses_per_1000(found, prevalence) / 10 == pytest.approx(100 * prevalence)
    assert (100 - flags) * (1 - npv) == pytest.approx(misses_per_1000(found, prevalence) / 10)


def test_where_nothing_is_flagged_there_is_no_ppv() -> None:
    assert predictive(0.0, 1.0, 0.1) == (None, 0.9)
    assert predictive(1.0, 0.0, 0.1) == (0.1, None)


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Path]:
    """A run's folder with its answers, and its bundle."""
    made_for = tiny.manifest()
    tiny.write(tmp_path / "bundle", made_for)
    probabilities, positive, patients = drawn(120)
    folder = tmp_path / "run"
    folder.mkdir()
    with (folder / "out_of_fold.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        names = [finding.name for finding in made_for.findings]
        head = ["image", "patient", "source", "view", "fold", *(c for name in names for c in (name, f"{name}.logit"))]
        rows.writerow(head)
        for n, (p, found) in enumerate(zip(probabilities, positive, strict=True)):
            label = "" if n % 10 == 9 else str(int(found))
            rows.writerow([f"{n}.png", patients[n], "a", "PA", n % 5, *([label, np.log(p / (1 - p))] * len(names))])
    known = np.arange(120) % 10 != 9
    state_auroc(tmp_path / "bundle", auroc(probabilities[known], positive[known]))
    return folder, tmp_path / "bundle"


def state_auroc(bundle: Path, value: float) -> None:
    """As the evidence of every finding."""
    told = json.loads((bundle / "evaluation.json").read_text())
    for figures in told["findings"].values():
        figures["auroc"]["value"] = value
    (bundle / "evaluation.json").write_text(json.dumps(told))


def command(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def test_the_command_tells_what_the_bundles_points_mean(run: tuple[Path, Path], tmp_path: Path) -> None:
    folder, bundle = run
    lines = command("--scores", folder, "--bundle", bundle, "--prevalence", 0.1, "--json").splitlines()
    assert [json.loads(line)["finding"] for line in lines] == ["effusion", "nodule", "mass"]
    told = json.loads(lines[0])
    probabilities, positive, _ = drawn(120)
    known = np.arange(120) % 10 != 9
    logits = np.log(probabilities / (1 - probabilities))
    acts = calibrated(Calibration(slope=1.5, offset=-0.25), logits)[known] >= 0.4
    assert told["acts_from"] == 0.4
    assert told["sensitivity"] == pytest.approx(sensitivity(acts, positive[known]), abs=1e-4)
    assert told["flags_per_100"] == pytest.approx(
        flags_per_100(sensitivity(acts, positive[known]), specificity(acts, positive[known]), 0.1), abs=0.01
    )
    command("--scores", folder / "out_of_fold.csv", "--bundle", bundle, "--flags", 20, "--out", tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").open()))
    assert len(rows) == 3 * 4
    assert all(float(row["flags_per_100"]) <= 20 for row in rows if row["prevalence"] == "0.05")


def test_an_evaluation_that_is_no_json_is_named(run: tuple[Path, Path]) -> None:
    folder, bundle = run
    (bundle / "evaluation.json").write_text("no json")
    assert "evaluation.json cannot be read" in command("--scores", folder, "--bundle", bundle, code=2)


def test_volumes_of_which_each_is_judged_by_its_highest_scan_say_so_by_null(tmp_path: Path) -> None:
    manifest = tiny.manifest()
    volumes = manifest.model_copy(update={"accepts": manifest.accepts.model_copy(update={"volume": VolumeSpec()})})
    (tmp_path / "evaluation.json").write_text('{"pooled": null}')
    assert pooled_of(tmp_path, volumes) is None


def test_answers_of_another_model_are_refused(run: tuple[Path, Path]) -> None:
    folder, bundle = run
    state_auroc(bundle, 0.5)
    said = command("--scores", folder, "--bundle", bundle, code=2)
    assert "the bundle's own gave 0.500; give those of this bundle's own run" in said


def test_a_bundle_of_slices_must_say_how_they_are_pooled(tmp_path: Path) -> None:
    manifest = tiny.manifest()
    of_slices = manifest.model_copy(update={"accepts": manifest.accepts.model_copy(update={"volume": VolumeSpec()})})
    assert pooled_of(tmp_path, manifest) is None
    with pytest.raises(TriageError, match="how slices are pooled"):
        pooled_of(tmp_path, of_slices)
    (tmp_path / "evaluation.json").write_text('{"pooled": 3}')
    assert pooled_of(tmp_path, of_slices) == 3


def test_the_command_says_what_is_wrong_with_what_it_is_given(run: tuple[Path, Path], tmp_path: Path) -> None:
    folder, bundle = run
    assert "cannot be read" in command("--scores", tmp_path / "none", "--bundle", bundle, code=2)
    aims = ("--flags", 10, "--sensitivity", 0.9)
    assert "give one of" in command("--scores", folder, "--bundle", bundle, *aims, code=2)
    scores = folder / "out_of_fold.csv"
    scores.write_text(scores.read_text().replace("mass.logit", "other.logit"))
    assert "no column other" in command("--scores", folder, "--bundle", bundle, code=2)
    scores.write_text(scores.read_text().replace("mass,", "other,"))
    assert "the answers hold no mass" in command("--scores", folder, "--bundle", bundle, code=2)
