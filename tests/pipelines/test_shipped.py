"""The bundles that ship, on real images where they are."""

from pathlib import Path

import numpy as np
import pytest

import triage
from data_schemas.bundle import EVIDENCE_FLOOR
from pipelines import chest, head, retina
from pipelines.card import card
from pipelines.cohort import read_cohort, set_aside
from pipelines.confirm import confirm
from pipelines.judge import read_evaluation
from pipelines.outside import dressed, noise, photographs, read_folder
from pipelines.recipe import Recipe
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.images.pixels import StoredPixels, picture
from triage.models.bundle import Bundle, load_bundle, read_manifest, verify_bundle
from triage.models.prepare import prepare

BUNDLES = Path(triage.__file__).parent / "bundles"
NAMES = ("cxr", "head_ct", "oct")
VERSIONS = {"cxr": chest.VERSION, "head_ct": head.VERSION, "oct": retina.VERSION}
SAMPLE = 100


def test_these_are_all() -> None:
    assert sorted(path.parent.name for path in BUNDLES.glob("*/triage.json")) == list(NAMES)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(BUNDLES / "cxr", tmp_path_factory.mktemp("cache"), "onnx", threads=2)


def stopped(bundle: Bundle, pixels: list[StoredPixels]) -> float:
    """Share that the distribution gate stops."""
    distances = []
    for start in range(0, len(pixels), 20):
        batch = np.stack([prepare(one, bundle.manifest.prepare).tensor for one in pixels[start : start + 20]])
        distances += [bundle.ood_distance(row) for row in bundle.score(batch).features]
    return float(np.mean(np.array(distances) > bundle.manifest.ood.threshold))


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_what_the_manifest_says(tmp_path, name):
    manifest = verify_bundle(BUNDLES / name, tmp_path)
    assert (manifest.name, manifest.version) == (name, VERSIONS[name])
    assert sum(path.stat().st_size for path in (BUNDLES / name).rglob("*") if path.is_file()) < 15_000_000


@pytest.mark.parametrize("name", NAMES)
def test_only_findings_with_evidence_change_the_order(name):
    evaluation, manifest = read_evaluation(BUNDLES / name), read_manifest(BUNDLES / name)
    for finding in manifest.findings:
        assert finding.may_lift == (finding.proposes is not None and finding.evidence.low >= EVIDENCE_FLOOR)
        assert evaluation["findings"][finding.name]["lifts"] == finding.may_lift
    assert any(finding.may_lift for finding in manifest.findings)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_is_made_from_manifest_and_evaluation(name):
    folder = BUNDLES / name
    assert (folder / "CARD.md").read_text() == card(read_manifest(folder), read_evaluation(folder))
    assert read_evaluation(folder)["bundle"]["weights_sha256"] == read_manifest(folder).network.weights_sha256


def test_the_figures_of_patients_set_aside_come_again_from_the_product(shared_data, tmp_path):
    told = read_evaluation(BUNDLES / "cxr")
    recipe, data = Recipe.model_validate(told["recipe"]), shared_data / "cxr_nih"
    cases = read_cohort(data)
    held = [case for case, aside in zip(cases, set_aside(cases, recipe.set_aside), strict=True) if aside]
    again = confirm(BUNDLES / "cxr", held, data, tmp_path, recipe.model_copy(update={"resamples": 20}))
    assert again is not None and again["coverage"] == told["confirmed"]["coverage"]
    for name, found in again["studies"]["findings"].items():
        kept = told["confirmed"]["studies"]["findings"][name]
        assert (found["positives"], found["negatives"]) == (kept["positives"], kept["negatives"])
        # another processor may round one image's score to the other side of another's, or of the operating point
        apart = {"sensitivity": 1.01 / found["positives"], "specificity": 1.01 / found["negatives"]}
        for figure in ("auroc", "auprc", "sensitivity", "specificity", "calibration_error"):
            assert found[figure]["value"] == pytest.approx(kept[figure]["value"], abs=apart.get(figure, 0.02))


@pytest.mark.parametrize("task", [head.TASK, retina.TASK], ids=lambda task: task.name)
def test_real_slices_are_kept_and_other_images_stopped(tmp_path, shared_data, task):
    bundle = load_bundle(BUNDLES / task.name, tmp_path / "cache", "onnx", threads=2)
    own, other = ("head_ct", "oct") if task is head.TASK else ("oct", "head_ct/slices")
    cases = task.read(shared_data / own)
    assert stopped(bundle, [task.dressed(task.grey(case.image)) for case in cases[:: len(cases) // SAMPLE]]) <= 0.03
    strangers = read_folder(other, shared_data / other, SAMPLE)
    assert stopped(bundle, [task.dressed(one.values) for one in strangers]) >= 0.95


def test_real_chests_are_kept(bundle, shared_data):
    cases = read_cohort(shared_data / "cxr_nih")
    chosen = [picture(case.image) for case in cases[:: len(cases) // SAMPLE]]
    assert stopped(bundle, chosen) <= 0.01


@pytest.mark.parametrize("name", ["cr_chest/gdcm-CR-MONO1-10-chest.dcm", "cr_chest_j2k/RG1_J2KI.dcm"])
def test_real_dicom_films_are_kept(bundle, shared_data, name):
    path = shared_data / "dicom" / name
    _, header = read_header(path, limits=ReadLimits())
    assert stopped(bundle, [decode(path, header, at_least_px=None)]) == 0


@pytest.mark.parametrize("kind", ["head_ct/slices", "oct"])
def test_other_images_dressed_as_radiographs_are_stopped(bundle, shared_data, kind):
    strangers = [dressed(one.values) for one in read_folder(kind, shared_data / kind, SAMPLE)]
    assert len(strangers) == SAMPLE
    assert stopped(bundle, strangers) >= 0.95


@pytest.mark.parametrize("drawn", [noise, photographs])
def test_noise_and_photographs_dressed_as_radiographs_are_stopped(bundle, drawn):
    assert stopped(bundle, [dressed(one.values) for one in drawn(SAMPLE, seed=7)]) >= 0.95
