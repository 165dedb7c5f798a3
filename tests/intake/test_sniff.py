"""Kinds are told by content, never by name."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from data_schemas.errors import RefusedFile
from tests.dicom import dx_file
from triage.intake.sniff import Kind, kind_of


def sentence(path: Path) -> str:
    with pytest.raises(RefusedFile) as refusal:
        kind_of(path)
    return refusal.value.sentence


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07\x01", "a RAR archive"),
        (bytes(257) + b"ustar", "a tar archive"),
        (gzip.compress(b"hello", mtime=0), "holds no NIfTI volume"),
        (gzip.compress(b"hello", mtime=0)[:5], "a damaged gzip file"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "image.dcm"
    path.write_bytes(content)
    assert words in sentence(path)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.dcm"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_nifti_volume_is_told_by_its_content(tmp_path: Path, name: str, kind: type) -> None:
    made = tmp_path / ("a.nii.gz" if name.endswith("gz") else "a.nii")
    nibabel.save(kind(np.zeros((3, 4, 5), np.int16), np.eye(4)), made)
    assert kind_of(made.rename(tmp_path / name)) is Kind.NIFTI


def test_real_volumes(shared_data: Path) -> None:
    for path in sorted((shared_data / "nifti").glob("*.nii*")):
        assert kind_of(path) is Kind.NIFTI


def test_dicom_and_zip(tmp_path: Path) -> None:
    assert kind_of(dx_file(tmp_path / "photo.jpg")) is Kind.DICOM
    (tmp_path / "z.dcm").write_bytes(b"PK\x05\x06" + bytes(18))
    assert kind_of(tmp_path / "z.dcm") is Kind.ARCHIVE
