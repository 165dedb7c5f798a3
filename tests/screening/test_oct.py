"""Retinal OCT as its devices send it: volumes, single B-scans and captures of them, read by the shipped bundle."""

import csv
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from data_schemas.gate import GateOutcome
from data_schemas.score import ScreeningStatus
from data_schemas.urgency import Level
from tests.oct import Grey, captured, tomography
from tests.screening.test_screen import film, study_of
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle, load_bundle
from triage.models.cells import on_original
from triage.phantoms.retina import Retina, draw_scans
from triage.screening import screen
from triage.settings import SHIPPED_BUNDLES


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(SHIPPED_BUNDLES / "oct", tmp_path_factory.mktemp("oct") / "cache", "onnx", threads=1)


@pytest.fixture(scope="module")
def scans(shared_data: Path) -> dict[str, list[Grey]]:
    """Real B-scans of one size by label, from patients in the order of the list."""
    found: dict[str, list[Grey]] = {"NORMAL": [], "DME": []}
    with (shared_data / "oct" / "manifest.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["source"] == "OCTDL" and row["label"] in found and len(found[row["label"]]) < 8:
                picture = Image.open(shared_data / "oct" / row["image"]).convert("L").resize((384, 192))
                found[row["label"]].append(np.asarray(picture, dtype=np.uint8))
    return found


def test_the_drawn_file_holds_what_the_standard_asks_of_an_ophthalmic_tomography_image(tmp_path: Path) -> None:
    dataset = dcmread(tomography(tmp_path / "a.dcm", draw_scans(Retina(scans=2))))
    tables = files("highdicom") / "_standard"
    modules = json.loads((tables / "iod_module_map.json").read_text())["ophthalmic-tomography-image"]
    attributes = json.loads((tables / "module_attribute_map.json").read_text())
    mandatory = [module["key"] for module in modules if module["usage"] == "M"]
    assert len(mandatory) > 10
    missing = [
        (module, *attribute["path"], attribute["keyword"])
        for module in mandatory
        for attribute in attributes[module]
        if attribute["type"] in {"1", "2"}
        and lacks(dataset, attribute["path"], attribute["keyword"], attribute["type"])
    ]
    assert [one for one in missing if one[-1] not in MACROS] == []


MACROS = {
    "ReferencedImageSequence",
    "DerivationImageSequence",
    "CardiacSynchronizationSequence",
    "ContrastBolusUsageSequence",
    "OphthalmicFrameLocationSequence",
    "FrameVOILUTSequence",
    "FrameAnatomySequence",
    "FrameContentSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
}
"""Functional groups that PS3.3 table A.52.4.3-1 asks for on a condition, or in one of the two sequences only."""


def lacks(dataset: Dataset, path: list[str], keyword: str, kind: str) -> bool:
    """Whether an item that holds the attribute's parent is without it, or of type 1 without a value."""
    items = [dataset]
    for step in path:
        items = [inner for item in items for inner in item.get(step) or []]
    return any(keyword not in item or (kind == "1" and item.get(keyword) in (None, "")) for item in items)


def test_the_diseased_scan_of_a_volume_drives_its_place(
    tmp_path: Path, reader: Bundle, pool: DecodePool, scans: dict[str, list[Grey]]
) -> None:
    volume = [*scans["NORMAL"][:3], scans["DME"][0], *scans["NORMAL"][3:5]]
    screening, maps = screen(study_of(tomography(tmp_path / "a.dcm", volume)), [reader], pool)
    [series] = screening.volumes
    assert screening.status is ScreeningStatus.RANKED
    assert screening.urgency.level is Level.HIGH
    assert series.facts is not None
    assert series.facts.slices == 6
    column = series.findings.index("referable")
    assert max(range(6), key=lambda place: series.slices[place].probabilities[column]) == 3
    [referable] = [one for one in maps if one.header.finding == "referable"]
    assert referable.header.driving == 3
    assert referable.values.shape[0] == 6
    drawn = on_original(referable.plane().values, referable.header.to_image, 192, 384)
    assert drawn.shape == (192, 384)


def test_a_healthy_volume_stays_where_it_was_ordered(
    tmp_path: Path, reader: Bundle, pool: DecodePool, scans: dict[str, list[Grey]]
) -> None:
    calm = [scan for scan in scans["NORMAL"] if alone(tmp_path, reader, pool, scan) is Level.ROUTINE]
    assert len(calm) >= 6
    screening, _ = screen(study_of(tomography(tmp_path / "a.dcm", calm)), [reader], pool)
    assert screening.urgency.level is Level.ROUTINE
    assert screening.urgency.reason == "ordered ROUTINE; no finding lifts it"


def alone(folder: Path, reader: Bundle, pool: DecodePool, scan: Grey) -> Level:
    screening, _ = screen(study_of(captured(folder / "one.dcm", scan)), [reader], pool)
    return screening.urgency.level


def test_one_scan_scores_the_same_in_a_volume_and_as_a_capture(
    tmp_path: Path, reader: Bundle, pool: DecodePool, scans: dict[str, list[Grey]]
) -> None:
    scan = scans["DME"][1]
    volume, _ = screen(study_of(tomography(tmp_path / "a.dcm", [scan])), [reader], pool)
    capture, _ = screen(study_of(captured(tmp_path / "b.dcm", scan)), [reader], pool)
    for one, other in zip(volume.findings, capture.findings, strict=True):
        assert one.finding == other.finding
        assert one.probability == pytest.approx(other.probability, abs=1e-6)
    marks = {gate.gate for gate in capture.volumes[0].gates if gate.outcome is GateOutcome.MARKED}
    assert "modality" in marks


@pytest.mark.parametrize("rows_lead_to", [[0, 0, -1, 0, 1, 0], [0, 1, 0, 0, 0, -1]])
def test_a_scan_is_read_as_its_device_shows_it_whatever_way_it_lay(
    tmp_path: Path, reader: Bundle, pool: DecodePool, scans: dict[str, list[Grey]], rows_lead_to: list[int]
) -> None:
    scan = scans["DME"][1]
    plain, _ = screen(study_of(tomography(tmp_path / "a.dcm", [scan, scan])), [reader], pool)
    path = tomography(tmp_path / "b.dcm", [scan, scan])
    dataset = dcmread(path)
    [shared] = dataset.SharedFunctionalGroupsSequence
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = rows_lead_to
    dataset.save_as(path)
    turned, _ = screen(study_of(path), [reader], pool)
    assert turned.findings == plain.findings


def test_what_is_no_b_scan_is_not_scored(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    screening, maps = screen(study_of(captured(tmp_path / "a.dcm", noise)), [reader], pool)
    assert screening.status is ScreeningStatus.NOT_SCORED
    assert "does not look like" in screening.urgency.reason
    assert maps == ()


def test_a_chest_film_is_not_taken_for_an_eye(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    screening, _ = screen(study_of(film(tmp_path)), [reader], pool)
    assert screening.urgency.reason == "not scored: no installed model reads DX"
