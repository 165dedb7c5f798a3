"""Phantoms are plainly phantoms, and the same each time."""

from pathlib import Path

from pydicom import dcmread

from triage.images.decode import decode
from triage.images.headers import read_header
from triage.phantoms import PHANTOMS, write_phantoms


def test_every_attribute_a_person_sees_says_phantom(tmp_path: Path) -> None:
    for path in write_phantoms(tmp_path):
        dataset = dcmread(path)
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "SeriesDescription"):
            assert "PHANTOM" in str(dataset[keyword].value)


def test_a_second_demo_adds_nothing(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_phantoms(tmp_path / "a")]
    second = [path.read_bytes() for path in write_phantoms(tmp_path / "b")]
    assert first == second
    studies = {read_header(path)[0].study_instance_uid for path in (tmp_path / "a").iterdir()}
    assert len(studies) == len(PHANTOMS)


def test_the_shipped_model_scores_drawn_chests_and_not_a_blank_exposure(tmp_path: Path) -> None:
    from triage.models.bundle import load_bundle
    from triage.models.prepare import prepare
    from triage.settings import SHIPPED_BUNDLES

    bundle = load_bundle(SHIPPED_BUNDLES / "cxr", tmp_path / "cache", "onnx", threads=1)
    near = {}
    for phantom, path in zip(PHANTOMS, write_phantoms(tmp_path / "in"), strict=True):
        tensor = prepare(decode(path, read_header(path)[1]), bundle.manifest.prepare).tensor[None]
        near[phantom.name] = bundle.ood_distance(bundle.score(tensor).features[0]) <= bundle.manifest.ood.threshold
    assert not near.pop("BLANK")
    assert all(near.values()), near
