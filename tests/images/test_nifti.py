"""NIfTI volumes become slices that lie as they are read, whatever axes, units and byte order the file has."""

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.errors import RefusedFile
from data_schemas.volume import Orientation
from triage.images.nifti import nifti_bytes, read_nifti
from triage.images.opening import ReadLimits
from triage.images.series import orientation

RAS = np.diag([2.0, 2.5, 5.0, 1.0])


def volume(shape: tuple[int, int, int] = (6, 7, 5)) -> np.ndarray:
    """Every voxel another value, with the axes to the right, front and head."""
    return np.arange(np.prod(shape), dtype=np.int16).reshape(shape)


def saved(tmp_path: Path, image: nibabel.Nifti1Image, name: str = "a.nii") -> Path:
    nibabel.save(image, tmp_path / name)
    return tmp_path / name


def refusal(path: Path, **limits: int) -> str:
    with pytest.raises(RefusedFile) as refused:
        read_nifti(path, ReadLimits(**limits))
    return refused.value.sentence


def test_slices_lie_with_the_left_of_the_patient_to_the_right_and_the_back_down(tmp_path: Path) -> None:
    values = volume()
    read = read_nifti(saved(tmp_path, nibabel.Nifti1Image(values, RAS)))
    assert np.array_equal(read.values, values[::-1, ::-1].transpose(2, 1, 0))
    first = read.planes[0]
    assert (first.along_row, first.along_column) == ((1, 0, 0), (0, 1, 0))
    # the first pixel is the rightmost and foremost voxel, which is (5, 6, 0) in the file
    assert first.position_mm == pytest.approx((-10.0, -15.0, 0.0))
    assert [plane.position_mm[2] for plane in read.planes] == [0, 5, 10, 15, 20]
    assert (first.spacing_mm, first.thickness_mm) == ((2.5, 2.0), 5.0)


@given(order=st.sampled_from(list(permutations(range(3)))), flips=st.sampled_from(list(product((1, -1), repeat=3))))
@settings(deadline=None)
def test_any_relabelling_of_the_axes_gives_the_same_slices(
    tmp_path_factory: pytest.TempPathFactory, order: tuple[int, int, int], flips: tuple[int, int, int]
) -> None:
    folder = tmp_path_factory.mktemp("axes")
    values = volume()
    plain = read_nifti(saved(folder, nibabel.Nifti1Image(values, RAS), "plain.nii"))
    turn = nibabel.orientations.inv_ornt_aff(
        [[axis, flip] for axis, flip in zip(order, flips, strict=True)], values.shape
    )
    relabelled = nibabel.orientations.apply_orientation(
        values, [[axis, flip] for axis, flip in zip(order, flips, strict=True)]
    )
    read = read_nifti(saved(folder, nibabel.Nifti1Image(relabelled, RAS @ turn), "other.nii"))
    assert np.array_equal(read.values, plain.values)
    for one, other in zip(read.planes, plain.planes, strict=True):
        assert one.position_mm == pytest.approx(other.position_mm)


def test_thick_slices_stay_slices_whatever_way_they_lie(tmp_path: Path) -> None:
    affine = np.diag([1.0, 6.0, 1.0, 1.0])
    read = read_nifti(saved(tmp_path, nibabel.Nifti1Image(volume(), affine)))
    assert orientation(read.planes[0]) is Orientation.CORONAL
    assert read.values.shape == (7, 5, 6)


@pytest.mark.parametrize("unit", ["meter", "micron"])
def test_units_are_honoured(tmp_path: Path, unit: str) -> None:
    scale = {"meter": 1e-3, "micron": 1e3}[unit]
    image = nibabel.Nifti1Image(volume(), np.diag([2.0 * scale, 2.5 * scale, 5.0 * scale, 1.0]))
    image.header.set_xyzt_units(unit)
    read = read_nifti(saved(tmp_path, image))
    assert read.planes[0].spacing_mm == pytest.approx((2.5, 2.0))


def test_big_endian_packed_and_scaled_files_give_their_values(tmp_path: Path) -> None:
    values = volume()
    header = nibabel.Nifti1Header(endianness=">")
    big = nibabel.Nifti1Image(values.astype(">i2"), RAS, header)
    big.header.set_slope_inter(2.0, -1024.0)
    content = saved(tmp_path, big).read_bytes()
    packed = tmp_path / "volume.part"
    packed.write_bytes(gzip.compress(content, mtime=0))
    read = read_nifti(packed)
    expected = nibabel.load(tmp_path / "a.nii").get_fdata()[::-1, ::-1].transpose(2, 1, 0)
    assert np.allclose(read.values * read.slope + read.intercept, expected)


@pytest.mark.parametrize("factor", [1.0, 0.3712])
def test_fractions_keep_their_values_within_a_step(tmp_path: Path, factor: float) -> None:
    values = volume().astype(np.float32) * np.float32(factor) - 100
    values[0, 0, 0] = np.nan
    read = read_nifti(saved(tmp_path, nibabel.Nifti1Image(values, RAS)))
    found = (read.values * read.slope + read.intercept).transpose(2, 1, 0)[::-1, ::-1]
    step = float(np.nanmax(values) - np.nanmin(values)) / 65535
    assert np.nanmax(np.abs(found - values)) <= (step if factor != 1.0 else 0)


def test_a_file_without_orientation_has_no_planes(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(volume(), None)
    assert (image.header["sform_code"], image.header["qform_code"]) == (0, 0)
    assert read_nifti(saved(tmp_path, image)).planes == ()


def test_a_leaning_stack_keeps_its_lean(tmp_path: Path) -> None:
    affine = RAS.copy()
    affine[1, 2] = 1.5
    read = read_nifti(saved(tmp_path, nibabel.Nifti1Image(volume(), affine)))
    assert read.planes[1].position_mm[1] - read.planes[0].position_mm[1] == pytest.approx(-1.5)
    assert read.planes[0].thickness_mm == pytest.approx(5.0)


def test_written_and_read_again_nothing_changes(tmp_path: Path) -> None:
    read = read_nifti(saved(tmp_path, nibabel.Nifti1Image(volume(), RAS)))
    affine = np.eye(4)
    affine[:3, 0] = np.multiply(read.planes[0].along_row, read.planes[0].spacing_mm[1])
    affine[:3, 1] = np.multiply(read.planes[0].along_column, read.planes[0].spacing_mm[0])
    affine[:3, 2] = np.subtract(read.planes[1].position_mm, read.planes[0].position_mm)
    affine[:3, 3] = read.planes[0].position_mm
    (tmp_path / "b.nii").write_bytes(nifti_bytes(read.values, affine))
    again = read_nifti(tmp_path / "b.nii")
    assert np.array_equal(again.values, read.values)
    assert again.planes == read.planes


def test_what_is_no_volume_is_named(tmp_path: Path, shared_data: Path) -> None:
    assert refusal(shared_data / "nifti" / "example4d.nii.gz").startswith("a NIfTI volume of 128 x 96 x 24 x 2 voxels")
    flat = saved(tmp_path, nibabel.Nifti1Image(np.zeros((4, 4), np.int16), RAS), "flat.nii")
    assert refusal(flat) == "a NIfTI file of 4 x 4 voxels, not a volume"
    colours = np.zeros((4, 4, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    assert "colours" in refusal(saved(tmp_path, nibabel.Nifti1Image(colours, RAS), "colours.nii"))
    plain = saved(tmp_path, nibabel.Nifti1Image(volume(), RAS))
    assert "beyond the limit" not in refusal(plain, max_file_bytes=100)
    assert refusal(plain, max_file_bytes=100).endswith("more than the limit of 0 MiB")
    cut = tmp_path / "cut.nii"
    cut.write_bytes(plain.read_bytes()[:500])
    assert refusal(cut) == "a damaged NIfTI file; ask the sender for it again"
    alike = RAS.copy()
    alike[:3, 2] = alike[:3, 1]
    singular = saved(tmp_path, nibabel.Nifti1Image(volume(), alike), "singular.nii")
    assert "orientation cannot be used" in refusal(singular)
