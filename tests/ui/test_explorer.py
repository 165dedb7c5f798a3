"""What the models page says of operating points, and what it gives the explorer to move on."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from data_schemas.bundle import BundleManifest
from data_schemas.operating_point import SitePoint
from tests.bundles import write_reader
from tests.curves import drawn, write_curves
from triage.ui import curves, explorer
from triage.ui.evaluated import Evaluated, read_figures
from triage.ui.views.models import parts_of
from triage.web.words import say_in

SAY = say_in("en")
TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    folder: Path = tmp_path_factory.mktemp("bundles") / "reader"
    manifest = write_reader(folder)
    write_curves(folder, manifest)
    return Evaluated(manifest, read_figures(folder, manifest), SAY)


def point(manifest: BundleManifest, value: float, **other: str) -> SitePoint:
    stated = {
        "bundle": manifest.name,
        "weights_sha256": manifest.network.weights_sha256,
        "finding": "effusion",
        "actor": "reader",
        "comment": "too many missed",
    }
    at = datetime(2026, 11, 25, 20, tzinfo=UTC)
    return SitePoint.model_validate(stated | other | {"point": value, "own": 0.4, "set_at": at})


def test_points_in_force_are_told_in_the_sites_zone_and_those_of_other_weights_as_left_behind(
    bundle: Evaluated,
) -> None:
    manifest = bundle.manifest
    assert explorer.in_force(bundle, (), TOKYO) == "Every finding has the bundle's own operating point."
    points = [
        point(manifest, 0.35),
        point(manifest, 0.2, weights_sha256="f" * 64),
        point(manifest, 0.1, bundle="another"),
    ]
    told = explorer.in_force(bundle, points, TOKYO)
    assert "Effusion 0.350 since 2026-11-26 (the bundle's own 0.400)" in told
    assert "not in force: Effusion 0.200" in told
    assert "0.100" not in told


def test_the_explorer_is_given_the_curve_with_the_bundles_own_point_in_it(bundle: Evaluated) -> None:
    told = explorer.told(bundle, [point(bundle.manifest, 0.35)])
    effusion, nodule = told["findings"]
    assert (effusion["own"], effusion["point"], effusion["set"]["comment"]) == (0.4, 0.35, "too many missed")
    assert (nodule["point"], nodule["set"], nodule["proposes"]) == (0.4, None, None)
    assert effusion["proposes"] == "HIGH"
    curve, figures = effusion["curve"], bundle.figures["findings"]["effusion"]
    assert curve["probability"] == sorted(set(curve["probability"]))
    own = curve["probability"].index(0.4)
    assert curve["sensitivity"][own] == figures["sensitivity"]["value"]
    assert curve["specificity_low"][own] == figures["specificity"]["low"]
    assert len({len(column) for column in curve.values()}) == 1
    assert effusion["share"] == 30 / 330


def test_the_plots_of_a_finding_are_those_of_its_answers(bundle: Evaluated) -> None:
    effusion = bundle.manifest.findings[0]
    assert curves.with_curves(bundle) == list(bundle.manifest.findings)
    shown = curves.curves(bundle, effusion)
    assert [title for title, _ in shown.plots] == [
        "ROC", "Precision and recall", "Probabilities", "Reliability"
    ]  # fmt: skip
    for _, svg in shown.plots:
        assert ElementTree.fromstring(svg).get("role") == "img"
    answers, curve = drawn(effusion), bundle.of(effusion)["curve"]
    shares = curves.between_edges(curve["probability"], curve["sensitivity"])
    counted = np.histogram(answers.probabilities[answers.positive], curves.EDGES)[0] / answers.positive.sum()
    assert sum(shares) == pytest.approx(1) and shares == pytest.approx(list(counted), abs=0.06)
    acted = answers.positive[answers.acts]
    point = (np.mean(answers.acts[answers.positive]), np.mean(~answers.acts[~answers.positive]))
    assert curves.right(*point, prevalence=float(answers.positive.mean())) == pytest.approx(acted.mean())


def test_a_point_that_acts_on_nothing_has_no_precision_and_is_not_drawn(bundle: Evaluated) -> None:
    effusion = bundle.manifest.findings[0]
    figures = bundle.of(effusion)
    nothing = {"sensitivity": {"value": 0.0}, "specificity": {"value": 1.0}}
    last = {name: [*column, column[-1]] for name, column in figures["curve"].items()}
    last["sensitivity"][-1], last["specificity"][-1] = 0.0, 1.0
    silent = Evaluated(bundle.manifest, {"findings": {"effusion": {**figures, **nothing, "curve": last}}}, SAY)
    assert len(curves.curves(silent, effusion).plots) == 4


def test_a_file_without_curves_leaves_nothing_to_explore(bundle: Evaluated) -> None:
    without = {
        name: {key: value for key, value in one.items() if key != "curve"}
        for name, one in bundle.figures["findings"].items()
    }
    bare = Evaluated(bundle.manifest, {"findings": without}, SAY)
    assert explorer.explorable(bundle)
    assert not explorer.explorable(bare)
    assert not explorer.explorable(Evaluated(bundle.manifest, {}, SAY))
    assert len(parts_of(bare, "")) > 2


def test_a_curve_whose_columns_do_not_fit_is_no_curve(bundle: Evaluated) -> None:
    effusion = bundle.figures["findings"]["effusion"]
    broken = effusion | {"curve": effusion["curve"] | {"specificity": [0.5]}}
    assert not explorer.explorable(Evaluated(bundle.manifest, {"findings": {"effusion": broken}}, SAY))
