"""The bundle that ships, on real images where they are."""

from pathlib import Path

import numpy as np
import pytest

import triage
from data_schemas.bundle import EVIDENCE_FLOOR
from pipelines.card import card
from pipelines.cohort import read_cohort
from pipelines.evaluate import read_evaluation
from pipelines.outside import dressed, noise, photographs, read_folder
from triage.images.decode import decode
from triage.images.headers import ReadLimits, read_header
from triage.images.pixels import StoredPixels, picture
from triage.models.bundle import Bundle, load_bundle, verify_bundle
from triage.models.prepare import prepare

FOLDER = Path(triage.__file__).parent / "bundles" / "cxr"
SAMPLE = 100


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(FOLDER, tmp_path_factory.mktemp("cache"), "onnx", threads=2)


def stopped(bundle: Bundle, pixels: list[StoredPixels]) -> float:
    """Share that the distribution gate stops."""
    distances = []
    for start in range(0, len(pixels), 20):
        batch = np.stack([prepare(one, bundle.manifest.prepare).tensor for one in pixels[start : start + 20]])
        distances += [bundle.ood_distance(row) for row in bundle.score(batch).features]
    return float(np.mean(np.array(distances) > bundle.manifest.ood.threshold))


def test_every_file_is_what_the_manifest_says(tmp_path):
    manifest = verify_bundle(FOLDER, tmp_path)
    assert (manifest.name, manifest.version) == ("cxr", "0.1.0")
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 15_000_000


def test_only_findings_with_evidence_change_the_order(bundle):
    evaluation = read_evaluation(FOLDER)
    for finding in bundle.manifest.findings:
        assert finding.may_lift == (finding.evidence.low >= EVIDENCE_FLOOR)
        assert evaluation["findings"][finding.name]["lifts"] == finding.may_lift
    assert any(finding.may_lift for finding in bundle.manifest.findings)


def test_the_card_is_made_from_manifest_and_evaluation(bundle):
    assert (FOLDER / "CARD.md").read_text() == card(bundle.manifest, read_evaluation(FOLDER))
    assert read_evaluation(FOLDER)["bundle"]["weights_sha256"] == bundle.identity.weights_sha256


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
