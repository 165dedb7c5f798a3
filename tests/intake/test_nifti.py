"""A NIfTI volume becomes a study like any other, and says where it came from."""

import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

from data_schemas.worklist import FileReport
from tests.volumes import head
from triage.images.decode import decode
from triage.images.display import modality_values
from triage.images.series import facts, stack_series
from triage.intake.limits import IntakeLimits
from triage.intake.take_in import Sender, take_in
from triage.store import Store
from triage.store.studies import study_record

AFFINE = np.diag([-2.0, -2.0, 5.0, 1.0])


def taken(store: Store, path: Path, modality: str = "CT") -> list[FileReport]:
    sender = Sender(ordered_priority=None, source="test", actor="test", nifti_modality=modality)
    return list(take_in([path], store=store, spool=store.files.parent / "spool", limits=IntakeLimits(), sender=sender))


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    path = tmp_path / "sub-01_ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(head().transpose(2, 1, 0), AFFINE), path)
    return path


def test_it_becomes_a_study_of_one_object_with_every_slice(store: Store, nifti: Path) -> None:
    [report] = taken(store, nifti)
    assert (report.accepted, report.sentence) == (True, "taken in")
    record = study_record(store, report.study_instance_uid)
    [instance] = record.instances
    stack = stack_series([instance.header])
    assert record.study.study_description == "NIfTI sub-01_ct.nii.gz"
    assert report.study_instance_uid.startswith("2.25.")
    assert (instance.header.modality, facts(stack).slices, facts(stack).gaps_mm) == ("CT", 12, (5.0, 5.0))
    assert stack.irregularities == ()
    values = [modality_values(decode(instance.path, one.header, frame=one.frame)) for one in stack.slices]
    assert np.array_equal(np.stack(values), head().astype(np.float32))
    dataset = dcmread(instance.path, stop_before_pixels=True)
    assert "converted from a NIfTI file with SHA-256" in dataset.DerivationDescription


def test_the_same_file_again_is_already_here(store: Store, nifti: Path, tmp_path: Path) -> None:
    taken(store, nifti)
    packed = tmp_path / "both.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(nifti, "scans/renamed.nii.gz")
    [report] = taken(store, packed)
    assert report.sentence == "already here, the very same file"


def test_without_a_modality_it_is_kept_as_other(store: Store, nifti: Path) -> None:
    [report] = taken(store, nifti, modality="")
    [instance] = study_record(store, report.study_instance_uid).instances
    assert instance.header.modality == "OT"


def test_a_series_in_time_is_refused_with_its_size(store: Store, shared_data: Path) -> None:
    [report] = taken(store, shared_data / "nifti" / "example4d.nii.gz")
    assert not report.accepted
    assert report.sentence.startswith("a NIfTI volume of 128 x 96 x 24 x 2 voxels: only three dimensions are read")
    assert list((store.files.parent / "spool").iterdir()) == []
