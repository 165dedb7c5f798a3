"""Phantoms are plainly phantoms, and the same each time."""

from pathlib import Path

from pydicom import dcmread

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
