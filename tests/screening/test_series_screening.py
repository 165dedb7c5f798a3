"""The path of a series: a stack by position, gates for each fault, one score through every slice, the best series."""

import shutil
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import EnhancedCTImageStorage, JPEGLSLossless, generate_uid

from data_schemas.bundle import VolumeSpec
from data_schemas.gate import GateOutcome
from data_schemas.score import ScreeningStatus, StudyScreening, VolumeScreening
from data_schemas.volume import Orientation, StackFault
from tests.bundles import write_slice_reader
from tests.screening.test_screen import film, study_of, without_seconds
from tests.volumes import changed, ct_series, head
from triage.images.decode_pool import DecodePool
from triage.images.display import modality_values
from triage.images.headers import read_header
from triage.images.nifti import nifti_bytes
from triage.images.opening import ReadLimits
from triage.images.series import stack_series
from triage.intake.nifti import as_dicom, origin_of
from triage.models.bundle import Bundle, load_bundle, read_manifest
from triage.models.cells import on_original
from triage.screening import explain, screen
from triage.settings import SHIPPED_BUNDLES


@pytest.fixture(scope="session")
def slice_reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("slice-readers")
    write_slice_reader(folder / "slices")
    return load_bundle(folder / "slices", folder / "cache", "onnx", threads=1)


@pytest.fixture(scope="session")
def real_head(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "dicom" / "ge_head_ct").glob("*.dcm"))


def only(screening: StudyScreening) -> VolumeScreening:
    assert screening.images == ()
    [volume] = screening.volumes
    return volume


def reason(volume: VolumeScreening, gate: str) -> str:
    [found] = [one.sentence for one in volume.gates if one.gate == gate]
    return found


def stops(volume: VolumeScreening) -> dict[str, str]:
    return {one.gate: one.sentence for one in volume.gates if one.outcome is GateOutcome.STOPPED}


def test_a_real_head_is_scored_through_every_slice(
    real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    screening, maps = screen(study_of(*real_head), [slice_reader], pool)
    volume = only(screening)
    assert screening.status is ScreeningStatus.RANKED
    facts = volume.facts
    assert facts is not None
    assert (facts.slices, facts.tilt_deg, facts.orientation) == (28, 18.5, Orientation.AXIAL)
    assert reason(volume, StackFault.TILT) == "the gantry was tilted by 18.5 degrees"
    assert reason(volume, StackFault.SPACING) == "the distance between slices is uneven: 4.0 mm, then 1.1, then 7.0"
    assert len(volume.slices) == 28
    positions = [one.position_mm for one in volume.slices]
    assert positions == sorted(positions)
    assert volume.findings == ("haemorrhage", "fracture")
    assert {one.header.finding: one.values.shape[0] for one in maps} == {"haemorrhage": 28, "fracture": 28}
    assert {one.finding for one in screening.findings} == {"haemorrhage", "fracture"}


def test_the_map_of_a_series_names_the_slice_that_drove_the_score(
    real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    screening, maps = screen(study_of(*real_head), [slice_reader], pool)
    volume = only(screening)
    for made in maps:
        column = volume.findings.index(made.header.finding)
        best = max(volume.slices, key=lambda one: one.probabilities[column])
        assert made.header.sop_instance_uid == best.sop_instance_uid
        assert made.header.series_instance_uid == volume.series_instance_uid


def test_maps_made_later_are_those_of_the_score(real_head: list[Path], slice_reader: Bundle, pool: DecodePool) -> None:
    study = study_of(*real_head[:10])
    screening, maps = screen(study, [slice_reader], pool)
    [again] = explain(study, screening, [slice_reader], pool, finding="haemorrhage", method="gradcam")
    assert np.array_equal(again.values, maps[0].values)
    [saliency] = explain(study, screening, [slice_reader], pool, finding="haemorrhage", method="saliency")
    assert saliency.values.shape[0] == 10
    assert saliency.header.sop_instance_uid == again.header.sop_instance_uid
    drawn = on_original(saliency.values[3], saliency.header.to_image, saliency.header.rows, saliency.header.columns)
    assert drawn.shape == (512, 512)


def test_swapped_instance_numbers_change_nothing(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    paths = [Path(shutil.copy(path, tmp_path)) for path in real_head]
    changed(real_head[3], paths[3], InstanceNumber=dcmread(real_head[20]).InstanceNumber)
    changed(real_head[20], paths[20], InstanceNumber=dcmread(real_head[3]).InstanceNumber)
    swapped, _ = screen(study_of(*paths), [slice_reader], pool)
    plain, _ = screen(study_of(*real_head), [slice_reader], pool)
    assert swapped.findings == plain.findings


def test_a_removed_slice_is_named(real_head: list[Path], slice_reader: Bundle, pool: DecodePool) -> None:
    screening, maps = screen(study_of(*real_head[:20], *real_head[21:]), [slice_reader], pool)
    assert stops(only(screening)) == {
        StackFault.MISSING: "1 slice is missing: a gap of 14.0 mm where slices are 7.0 mm apart"
    }
    assert screening.urgency.reason.startswith("not scored: 1 slice is missing")
    assert maps == ()


def test_a_duplicated_slice_is_named(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    twin = changed(real_head[9], tmp_path / "twin.dcm", SOPInstanceUID=generate_uid())
    screening, _ = screen(study_of(*real_head, twin), [slice_reader], pool)
    assert stops(only(screening))[StackFault.DUPLICATES].startswith("1 slice lies where another one lies already")


def test_two_phases_in_one_series_are_named(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    second = [changed(path, tmp_path / path.name, SOPInstanceUID=generate_uid()) for path in real_head]
    screening, _ = screen(study_of(*real_head, *second), [slice_reader], pool)
    assert stops(only(screening))[StackFault.PHASES].startswith("each position occurs 2 times")


def test_another_orientation_mixed_in_is_named(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    other = changed(
        real_head[9], tmp_path / "c.dcm", SOPInstanceUID=generate_uid(), ImageOrientationPatient=[1, 0, 0, 0, 0, -1]
    )
    screening, _ = screen(study_of(*real_head, other), [slice_reader], pool)
    assert StackFault.ORIENTATION in stops(only(screening))


def test_of_several_series_the_one_the_model_wants_is_taken_and_the_others_say_why_not(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool
) -> None:
    uid = generate_uid()
    thick = ct_series(tmp_path / "thick", head(12), StudyInstanceUID=uid, SeriesNumber=2)
    thin = ct_series(tmp_path / "thin", head(40), gap_mm=1.25, StudyInstanceUID=uid, SeriesNumber=3)
    scout = ct_series(tmp_path / "scout", head(1), StudyInstanceUID=uid, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    side = ct_series(
        tmp_path / "side", head(12), StudyInstanceUID=uid, ImageOrientationPatient=[0, 1, 0, 0, 0, -1], SeriesNumber=4
    )
    screening, _ = screen(study_of(*thin, *thick, *scout, *side), [slice_reader], pool)
    by_number = {
        dcmread(paths[0]).SeriesInstanceUID: name
        for name, paths in (("thick", thick), ("thin", thin), ("scout", scout), ("side", side))
    }
    found = {by_number[one.series_instance_uid]: one for one in screening.volumes}
    assert found["thick"].scores
    assert found["thin"].scores == ()
    assert found["thin"].not_taken == (
        "series 2 was taken: its slices of 5 mm are nearer to the 5 mm that the model wants than these of 1.25 mm"
    )
    assert "only localizers" in stops(found["scout"])["slice count"]
    assert stops(found["side"])["orientation"] == "sagittal slices; the model reads axial ones"
    assert screening.status is ScreeningStatus.RANKED


def test_values_that_cannot_be_hounsfield_units_are_not_scored(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool
) -> None:
    flat = np.clip(head(), 0, 80).astype(np.int16)
    screening, _ = screen(study_of(*ct_series(tmp_path, flat)), [slice_reader], pool)
    assert stops(only(screening))["values"].endswith("cannot be Hounsfield units: there is no air")


def test_a_sharp_kernel_is_seen_in_the_pixels(tmp_path: Path, pool: DecodePool) -> None:
    write_slice_reader(tmp_path / "bundles" / "soft", max_noise=10.0)
    bundle = load_bundle(tmp_path / "bundles" / "soft", tmp_path / "cache", "onnx", threads=1)
    values = head()
    soft, _ = screen(study_of(*ct_series(tmp_path / "soft", values)), [bundle], pool)
    rough = values + np.random.default_rng(1).normal(0, 40, values.shape).astype(np.int16)
    sharp, _ = screen(study_of(*ct_series(tmp_path / "sharp", rough)), [bundle], pool)
    assert stops(only(soft)) == {}
    assert "a sharp kernel, made for bone" in stops(only(sharp))["noise"]


def test_a_slice_that_cannot_be_read_is_named(tmp_path: Path, slice_reader: Bundle, pool: DecodePool) -> None:
    paths = ct_series(tmp_path, syntax=JPEGLSLossless)
    content = bytearray(paths[4].read_bytes())
    content[-600:-100] = bytes(500)
    paths[4].write_bytes(content)
    screening, _ = screen(study_of(*paths), [slice_reader], pool)
    assert stops(only(screening))["readable"].startswith("slice 5 of 12: the JPEG-LS pixel data is damaged")


@pytest.mark.parametrize(
    ("count", "gap", "gate", "words"),
    [
        (4, 5.0, "slice count", "the series has 4 slices; the model reads 8 and more"),
        (12, 150.0, "thickness", "slices of 150 mm; the model reads 0 to 100 mm"),
    ],
)
def test_what_the_model_does_not_want_is_said(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool, count: int, gap: float, gate: str, words: str
) -> None:
    screening, _ = screen(study_of(*ct_series(tmp_path, head(count), gap_mm=gap)), [slice_reader], pool)
    assert stops(only(screening))[gate] == words


def test_a_head_that_lies_otherwise_in_the_file_gives_the_same_score(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool
) -> None:
    values = head(bleed=True)
    plain, _ = screen(study_of(*ct_series(tmp_path / "a", values)), [slice_reader], pool)
    # The same head stored with rows to the right and columns to the front.
    turned = ct_series(
        tmp_path / "b", np.ascontiguousarray(values[:, ::-1, ::-1]), ImageOrientationPatient=[-1, 0, 0, 0, -1, 0]
    )
    swapped = ct_series(
        tmp_path / "c", np.ascontiguousarray(values.transpose(0, 2, 1)), ImageOrientationPatient=[0, 1, 0, 1, 0, 0]
    )
    for paths in (turned, swapped):
        other, _ = screen(study_of(*paths), [slice_reader], pool)
        assert other.findings == plain.findings


def test_slope_that_changes_by_slice_is_honoured(tmp_path: Path, slice_reader: Bundle, pool: DecodePool) -> None:
    paths = ct_series(tmp_path / "a")
    plain, _ = screen(study_of(*paths), [slice_reader], pool)
    other = []
    for number, path in enumerate(paths):
        dataset = dcmread(path)
        if number % 2:
            dataset.PixelData = ((dataset.pixel_array.astype(np.int32) - 1024) // 2 + 700).astype(np.uint16).tobytes()
            dataset.RescaleSlope, dataset.RescaleIntercept = 2, -1400
        to = tmp_path / "b" / path.name
        to.parent.mkdir(exist_ok=True)
        dataset.save_as(to)
        other.append(to)
    mixed, _ = screen(study_of(*other), [slice_reader], pool)
    assert mixed.findings[0].probability == pytest.approx(plain.findings[0].probability, abs=0.02)


def test_films_and_series_of_one_study_are_both_scored(
    tmp_path: Path, reader: Bundle, slice_reader: Bundle, pool: DecodePool
) -> None:
    uid = generate_uid()
    series = ct_series(tmp_path / "ct", StudyInstanceUID=uid)
    screening, maps = screen(study_of(film(tmp_path, StudyInstanceUID=uid), *series), [reader, slice_reader], pool)
    assert len(screening.images) == 1
    assert len(screening.volumes) == 1
    assert {one.finding for one in screening.findings} == {"effusion", "nodule", "haemorrhage", "fracture"}
    assert len(maps) == 4


def test_equal_series_give_equal_results(real_head: list[Path], slice_reader: Bundle, pool: DecodePool) -> None:
    first, _ = screen(study_of(*real_head), [slice_reader], pool)
    second, _ = screen(study_of(*real_head[::-1]), [slice_reader], pool)
    assert without_seconds(first)["volumes"] == without_seconds(second)["volumes"]


def test_the_same_head_as_nifti_gets_the_same_score(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    plain, _ = screen(study_of(*real_head), [slice_reader], pool)
    stack = stack_series([read_header(path)[1] for path in real_head])
    by_uid = {read_header(path)[1].sop_instance_uid: path for path in real_head}
    values = [modality_values(pool.read(by_uid[one.header.sop_instance_uid], one.header)) for one in stack.slices]
    (tmp_path / "head.nii").write_bytes(nifti_bytes(np.stack(values).astype(np.int16), stack.affine))
    converted = as_dicom(origin_of(tmp_path / "head.nii", "head.nii", "CT"), tmp_path, ReadLimits())
    other, _ = screen(study_of(converted), [slice_reader], pool)
    again = {score.finding: score.probability for score in other.findings}
    assert again == pytest.approx({score.finding: score.probability for score in plain.findings}, abs=1e-3)


def test_localizers_and_reformats_beside_a_real_head_are_left_out_with_a_note(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    kinds = {"scout": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "mip": ["DERIVED", "SECONDARY", "MIP"]}
    others = [
        changed(real_head[9], tmp_path / f"{name}.dcm", SOPInstanceUID=generate_uid(), ImageType=kind)
        for name, kind in kinds.items()
    ]
    screening, _ = screen(study_of(*real_head, *others), [slice_reader], pool)
    plain, _ = screen(study_of(*real_head), [slice_reader], pool)
    assert screening.findings == plain.findings
    found = reason(only(screening), "left out")
    assert found.startswith("2 images are left out: ")
    assert {"a localizer", "derived from other images of the series"} == set(found.partition(": ")[2].split(", "))


def test_another_pixel_spacing_mixed_in_is_named(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    other = changed(real_head[9], tmp_path / "c.dcm", PixelSpacing=[0.9, 0.9])
    screening, _ = screen(study_of(*real_head[:9], other, *real_head[10:]), [slice_reader], pool)
    assert stops(only(screening)) == {
        StackFault.SIZE: "slices of different size or spacing are mixed in one series (1 of 28 differ)"
    }


def test_a_second_series_mixed_in_is_told_apart_and_says_why_it_was_not_taken(
    tmp_path: Path, real_head: list[Path], slice_reader: Bundle, pool: DecodePool
) -> None:
    first = dcmread(real_head[0])
    others = ct_series(
        tmp_path, head(12), gap_mm=2.0, StudyInstanceUID=first.StudyInstanceUID, PatientAge=first.get("PatientAge")
    )
    mixed = [path for pair in zip(real_head, [*others, *real_head], strict=False) for path in pair]
    screening, _ = screen(study_of(*dict.fromkeys([*mixed, *real_head])), [slice_reader], pool)
    plain, _ = screen(study_of(*real_head), [slice_reader], pool)
    assert screening.findings == plain.findings
    found = {one.series_instance_uid: one for one in screening.volumes}
    assert len(found[first.SeriesInstanceUID].slices) == 28
    [other] = [one for uid, one in found.items() if uid != first.SeriesInstanceUID]
    assert "was taken: its slices of 4 mm are nearer to the 5 mm" in other.not_taken


def test_an_enhanced_ct_scores_as_its_single_frames_do(tmp_path: Path, slice_reader: Bundle, pool: DecodePool) -> None:
    paths = ct_series(tmp_path / "a", head(10, bleed=True))
    plain, _ = screen(study_of(*paths), [slice_reader], pool)
    other, _ = screen(study_of(enhanced(paths, tmp_path / "b.dcm")), [slice_reader], pool)
    assert other.findings == plain.findings
    assert [one.position_mm for one in only(other).slices] == [one.position_mm for one in only(plain).slices]
    assert [one.frame for one in only(other).slices] == list(range(9, -1, -1))


def enhanced(paths: list[Path], to: Path) -> Path:
    """The slices as frames of one Enhanced CT object (PS3.3 A.38), from the head down, rescaled frame by frame."""
    slices = [dcmread(path) for path in reversed(paths)]
    dataset = dcmread(paths[0])
    dataset.SOPClassUID, dataset.SOPInstanceUID = EnhancedCTImageStorage, generate_uid()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = [picked(dataset, "PixelSpacing", "SliceThickness")]
    shared.PlaneOrientationSequence = [picked(dataset, "ImageOrientationPatient")]
    for one in slices:
        frame = Dataset()
        frame.PlanePositionSequence = [picked(one, "ImagePositionPatient")]
        frame.PixelValueTransformationSequence = [picked(one, "RescaleSlope", "RescaleIntercept")]
        frames.append(frame)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope"):
        delattr(dataset, keyword)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], frames
    dataset.NumberOfFrames = len(slices)
    dataset.PixelData = b"".join(one.PixelData for one in slices)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dcmwrite(to, dataset, enforce_file_format=True)
    return to


def picked(dataset: Dataset, *keywords: str) -> Dataset:
    """Some attributes of it."""
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, dataset[keyword].value)
    return item


def nifti(folder: Path, values: np.ndarray, modality: str, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(values.transpose(2, 1, 0)), affine), folder / "a.nii")
    return as_dicom(origin_of(folder / "a.nii", "a.nii", modality), folder, ReadLimits())


@pytest.mark.parametrize(
    ("modality", "values", "words"),
    [
        ("", head(), "a NIfTI volume does not say what made it; send it again with its modality, such as CT"),
        ("MR", head(), "no installed model reads MR"),
        ("CT", np.clip(head(), 0, 255).astype(np.uint8), "cannot be Hounsfield units: there is no air"),
    ],
)
def test_a_nifti_volume_that_no_model_may_read_says_why(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool, modality: str, values: np.ndarray, words: str
) -> None:
    screening, _ = screen(study_of(nifti(tmp_path, values, modality, np.diag([-2.0, -2, 5, 1]))), [slice_reader], pool)
    assert screening.status is ScreeningStatus.NOT_SCORED
    assert screening.urgency.reason.endswith(words)


def test_a_nifti_volume_without_orientation_is_marked_by_the_shipped_gates(
    tmp_path: Path, slice_reader: Bundle, pool: DecodePool
) -> None:
    tolerates = (*slice_reader.manifest.accepts.volume.tolerates, StackFault.POSITION)  # type: ignore[union-attr]
    volume = slice_reader.manifest.accepts.volume.model_copy(update={"tolerates": tolerates})  # type: ignore[union-attr]
    accepts = slice_reader.manifest.accepts.model_copy(update={"volume": volume})
    bundle = replace(slice_reader, manifest=slice_reader.manifest.model_copy(update={"accepts": accepts}))
    screening, _ = screen(study_of(nifti(tmp_path, head(), "CT")), [bundle], pool)
    assert screening.status is ScreeningStatus.RANKED
    assert reason(only(screening), StackFault.POSITION).startswith("no image of the series states where it lies")
    assert StackFault.POSITION in (read_manifest(SHIPPED_BUNDLES / "head_ct").accepts.volume or VolumeSpec()).tolerates
