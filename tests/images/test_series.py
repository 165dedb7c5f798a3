"""A series becomes the same stack whatever order its files came in, and what is wrong with it is said."""

from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence

from data_schemas.study import InstanceHeader
from data_schemas.volume import SlicePlane, StackFault
from tests.volumes import ct_series
from triage.images.headers import read_header
from triage.images.nifti import nifti_bytes
from triage.images.planes import planes
from triage.images.series import stack_series

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def header(
    number: int,
    position: tuple[float, float, float],
    *,
    directions: tuple[tuple[float, float, float], tuple[float, float, float]] = AXIAL,
    rows: int = 64,
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL"),
) -> InstanceHeader:
    plane = SlicePlane(
        position_mm=position, along_row=directions[0], along_column=directions[1], spacing_mm=(0.5, 0.4), thickness_mm=5
    )
    return InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1.1",
        sop_instance_uid=f"1.1.{number:04d}",
        sop_class_uid="1.2",
        transfer_syntax_uid="1.2",
        modality="CT",
        instance_number=number,
        rows=rows,
        columns=64,
        image_type=image_type,
        planes=(plane,),
        has_pixels=True,
    )


def series(count: int = 10, gap: float = 5.0) -> list[InstanceHeader]:
    return [header(number, (-100.0, -90.0, -40.0 + gap * number)) for number in range(count)]


def faults(headers: list[InstanceHeader]) -> dict[StackFault, str]:
    return {one.fault: one.sentence for one in stack_series(headers).irregularities}


@given(st.permutations(range(10)))
def test_any_order_of_files_gives_the_same_stack(order: list[int]) -> None:
    headers = series()
    assert stack_series([headers[place] for place in order]) == stack_series(headers)


@given(st.permutations(range(10)))
def test_instance_numbers_mean_nothing(numbers: list[int]) -> None:
    renumbered = [one.model_copy(update={"instance_number": n}) for one, n in zip(series(), numbers, strict=True)]
    stack = stack_series(renumbered)
    assert stack.positions_mm == stack_series(series()).positions_mm
    assert stack.irregularities == ()


def test_the_affine_leads_from_indices_to_the_patient() -> None:
    stack = stack_series(series())
    column, row, place = 7, 3, 4
    expected = (-100 + 7 * 0.4, -90 + 3 * 0.5, -40 + 4 * 5)
    assert stack.affine @ [column, row, place, 1] == pytest.approx([*expected, 1])
    assert stack.gaps_mm == pytest.approx([5] * 9)


@pytest.mark.parametrize("source", ["mr_series_d2n", "drawn"])
def test_the_affine_is_that_of_highdicom_and_nibabel(tmp_path: Path, shared_data: Path, source: str) -> None:
    if source == "drawn":
        paths = ct_series(tmp_path)
    else:
        paths = [path for path in sorted((shared_data / "dicom" / source).rglob("*")) if path.is_file()]
    datasets = [dcmread(path) for path in paths]
    for dataset in datasets:
        dataset.FrameOfReferenceUID = "1.2.3"  # highdicom asks for it, these files are without
    stack = stack_series([read_header(path)[1] for path in paths])
    theirs = highdicom.get_volume_from_series(datasets).affine[:, [2, 1, 0, 3]]  # slices come first there
    if theirs[:3, 2] @ stack.affine[:3, 2] < 0:  # and some from the other end
        last = len(stack.slices) - 1
        theirs = theirs @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, last], [0, 0, 0, 1]])
    assert stack.affine == pytest.approx(theirs, abs=1e-3)
    rows, columns = datasets[0].Rows, datasets[0].Columns
    (tmp_path / "a.nii").write_bytes(nifti_bytes(np.zeros((len(paths), rows, columns), np.int16), stack.affine))
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    assert nibabel.load(tmp_path / "a.nii").affine == pytest.approx(to_ras @ stack.affine, abs=1e-3)


def test_feet_first_slices_are_ordered_by_place() -> None:
    stack = stack_series(series()[::-1])
    assert list(stack.positions_mm) == sorted(stack.positions_mm)


def test_a_missing_slice_is_named_with_its_gap() -> None:
    headers = series()
    del headers[4]
    assert faults(headers) == {StackFault.MISSING: "1 slice is missing: a gap of 10.0 mm where slices are 5.0 mm apart"}
    del headers[6]
    assert faults(headers)[StackFault.MISSING].startswith("2 slices are missing")


def test_a_duplicated_slice_is_named_with_its_place() -> None:
    again = header(99, series()[3].planes[0].position_mm)  # type: ignore[union-attr]
    assert faults([*series(), again]) == {
        StackFault.DUPLICATES: "1 slice lies where another one lies already, the first at -25.0 mm"
    }


def test_two_phases_are_told_from_duplicates() -> None:
    second = [one.model_copy(update={"sop_instance_uid": f"2.{one.instance_number}"}) for one in series()]
    assert "each position occurs 2 times" in faults([*series(), *second])[StackFault.PHASES]


def test_uneven_distances_are_no_missing_slices() -> None:
    headers = [header(n, (0, 0, z)) for n, z in enumerate([0, 4.2, 8.4, 12.6, 13.7, 21.1, 28.5])]
    assert faults(headers) == {StackFault.SPACING: "the distance between slices is uneven: 4.2 mm, then 1.1, then 7.4"}


def at(places: list[float]) -> list[InstanceHeader]:
    return [header(number, (0.0, 0.0, place)) for number, place in enumerate(places)]


@pytest.mark.parametrize("thick", [4, 10, 20])
def test_thin_slices_below_and_thick_ones_above_are_no_missing_slices(thick: int) -> None:
    thin = [2.5 * number for number in range(16)]
    places = [*thin, *(37.5 + 5.0 * number for number in range(1, thick + 1))]
    assert faults(at(places)) == {StackFault.SPACING: "the distance between slices is uneven: 2.5 mm, then 5.0"}


def test_a_slice_missing_among_the_thick_ones_is_told_from_the_change() -> None:
    places = [*(2.5 * number for number in range(16)), *(37.5 + 5.0 * number for number in (1, 2, 3, 5, 6, 7))]
    found = faults(at(places))
    assert found[StackFault.MISSING] == "1 slice is missing: a gap of 10.0 mm where slices are 5.0 mm apart"
    assert found[StackFault.SPACING] == "the distance between slices is uneven: 2.5 mm, then 5.0"


def test_places_that_are_rounded_are_even() -> None:
    assert faults(at([round(0.625 * number, 2) for number in range(200)])) == {}


def test_a_tilted_gantry_is_told_in_degrees_and_the_affine_leans() -> None:
    angle = np.radians(18.5)
    down = (0.0, float(np.cos(angle)), float(-np.sin(angle)))
    headers = [header(n, (0, 0, 5.0 * n), directions=((1.0, 0.0, 0.0), down)) for n in range(8)]
    stack = stack_series(headers)
    assert stack.tilt_deg == pytest.approx(18.5)
    assert faults(headers) == {StackFault.TILT: "the gantry was tilted by 18.5 degrees"}
    assert stack.affine[:3, 2] == pytest.approx([0, 0, 5])


def test_other_orientations_and_sizes_are_named() -> None:
    sagittal = header(50, (0, 0, 0), directions=((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)))
    assert StackFault.ORIENTATION in faults([*series(), sagittal])
    assert StackFault.SIZE in faults([*series(), header(50, (0, 0, 99), rows=32)])


def test_slices_beside_the_line_are_named() -> None:
    headers = series()
    headers[5] = header(5, (-80.0, -90.0, -40.0 + 25))
    assert faults(headers)[StackFault.SHIFT] == "slices are shifted sideways by up to 20.0 mm against each other"


def test_localizers_and_derived_images_are_left_out_with_a_note() -> None:
    scout = header(90, (0, 0, 0), image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    mip = header(91, (0, 0, 0), image_type=("DERIVED", "SECONDARY", "MIP"))
    nowhere = header(92, (0, 0, 0)).model_copy(update={"planes": ()})
    stack = stack_series([scout, mip, nowhere, *series()])
    assert stack.irregularities == ()
    assert len(stack.slices) == 10
    assert {one.why for one in stack.left_out} == {
        "a localizer",
        "derived from other images of the series",
        "does not state where it lies",
    }


def test_a_series_of_nothing_but_reformats_is_a_stack() -> None:
    headers = [one.model_copy(update={"image_type": ("DERIVED", "SECONDARY", "MPR")}) for one in series()]
    assert len(stack_series(headers).slices) == 10


def test_a_series_without_places_says_so() -> None:
    assert faults([one.model_copy(update={"planes": ()}) for one in series()]) == {
        StackFault.POSITION: "no image of the series states where it lies; they are taken in the order of their frames"
    }


def test_one_slice_is_a_stack_too() -> None:
    stack = stack_series(series(1))
    assert stack.irregularities == ()
    assert stack.affine[2, 2] == 5.0


@pytest.mark.parametrize(
    ("folder", "slices", "sentences"),
    [
        (
            "ge_head_ct",
            28,
            ["the distance between slices is uneven: 4.0 mm, then 1.1, then 7.0", "tilted by 18.5 degrees"],
        ),
        ("ct_gantry_tilt_d2n", 4, ["tilted by 14.0 degrees"]),
        ("ct_slice_increment_d2n", 4, ["1 slice is missing: a gap of 1.5 mm", "tilted by 15.5 degrees"]),
        ("mr_series_d2n", 4, []),
    ],
)
def test_real_series(shared_data: Path, folder: str, slices: int, sentences: list[str]) -> None:
    files = sorted((shared_data / "dicom" / folder).rglob("*.dcm"))
    files = files or [path for path in sorted((shared_data / "dicom" / folder).iterdir()) if path.is_file()]
    stack = stack_series([read_header(path)[1] for path in files])
    assert len(stack.slices) == slices
    assert len(stack.irregularities) == len(sentences)
    for one, words in zip(stack.irregularities, sentences, strict=True):
        assert words in one.sentence


def test_frames_of_an_enhanced_object_have_planes_of_their_own() -> None:
    dataset = enhanced([(0.0, 0.0, 3.0 * frame) for frame in range(5)])
    found = planes(dataset)
    assert [plane.position_mm[2] for plane in found if plane] == [0, 3, 6, 9, 12]
    assert all(plane is not None and plane.spacing_mm == (0.7, 0.7) for plane in found)
    assert all(plane is not None and plane.thickness_mm == 3.0 for plane in found)


def enhanced(positions: list[tuple[float, float, float]]) -> Dataset:
    """Orientation and measures shared, positions per frame (PS3.3 C.7.6.16)."""
    dataset, shared, measures, orientation = Dataset(), Dataset(), Dataset(), Dataset()
    dataset.file_meta = FileMetaDataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.7], 3
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for position in positions:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = list(position)
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return dataset


@pytest.mark.parametrize(
    "change",
    [
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"PixelSpacing": [0.0, 0.5]},
        {"ImagePositionPatient": [1.0, 2.0]},
    ],
)
def test_a_plane_that_cannot_be_is_none(shared_data: Path, change: dict[str, list[float]]) -> None:
    path = next(path for path in sorted((shared_data / "dicom" / "ct_small").rglob("*")) if path.is_file())
    dataset = dcmread(path, stop_before_pixels=True)
    assert planes(dataset)[0] is not None
    for keyword, value in change.items():
        setattr(dataset, keyword, value)
    assert planes(dataset) == ()
