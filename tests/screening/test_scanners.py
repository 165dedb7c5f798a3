"""What other scanners and exports send passes the shipped gates, or is refused for a reason a reader agrees with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.datadict import tag_for_keyword
from pydicom.uid import generate_uid

from data_schemas.gate import GateOutcome
from data_schemas.score import ScreeningStatus, StudyScreening
from data_schemas.volume import StackFault
from tests.bundles import write_slice_reader
from tests.dicom import dx
from tests.oct import captured, tomography
from tests.screening.test_screen import study_of
from tests.screening.test_series_screening import only, reason, stops
from tests.volumes import AIR, ct_series, head
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle, load_bundle, read_manifest
from triage.phantoms.retina import Retina, draw_scans
from triage.screening import screen
from triage.settings import SHIPPED_BUNDLES

SIDE = 128
"""Smallest that the shipped bundle takes."""


@pytest.fixture(scope="module")
def head_reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What the shipped bundle accepts, with a small network."""
    folder = tmp_path_factory.mktemp("head")
    write_slice_reader(folder / "slices")
    bundle = load_bundle(folder / "slices", folder / "cache", "onnx", threads=1)
    accepts = read_manifest(SHIPPED_BUNDLES / "head_ct").accepts
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"accepts": accepts}))


@pytest.fixture(scope="module")
def oct_reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(SHIPPED_BUNDLES / "oct", tmp_path_factory.mktemp("oct") / "cache", "onnx", threads=1)


def scored(paths: list[Path], bundle: Bundle, pool: DecodePool) -> StudyScreening:
    screening, _ = screen(study_of(*paths), [bundle], pool)
    assert screening.status is ScreeningStatus.RANKED, screening.urgency.reason
    return screening


@pytest.mark.parametrize(
    "attributes",
    [
        {"BodyPartExamined": None},
        {"BodyPartExamined": "ROUTINE HEAD"},
        {"BodyPartExamined": "CTA"},
        {"ImageType": None, "SliceThickness": None, "PatientAge": None},
        {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]},
        {"ImageOrientationPatient": [-1, 0, 0, 0, -1, 0]},
        {"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]},
        {"ContrastBolusAgent": "NONE"},
        {"RescaleType": None, "WindowCenter": None, "WindowWidth": None},
    ],
    ids=str,
)
def test_a_head_is_scored_whatever_else_its_header_says(
    tmp_path: Path, head_reader: Bundle, pool: DecodePool, attributes: dict[str, Any]
) -> None:
    scored(ct_series(tmp_path, head(10, SIDE), **attributes), head_reader, pool)


def test_three_hundred_thin_slices_are_scored(tmp_path: Path, head_reader: Bundle, pool: DecodePool) -> None:
    paths = ct_series(tmp_path, head(300, SIDE), gap_mm=0.5)
    assert len(only(scored(paths, head_reader, pool)).slices) == 300


def test_a_thin_slice_that_is_missing_is_marked(tmp_path: Path, head_reader: Bundle, pool: DecodePool) -> None:
    paths = ct_series(tmp_path, head(40, SIDE), gap_mm=1.0)
    screening = scored(paths[:20] + paths[21:], head_reader, pool)
    assert reason(only(screening), StackFault.MISSING) == (
        "1 slice is missing: a gap of 2.0 mm where slices are 1.0 mm apart"
    )


@pytest.mark.parametrize("outside", [-1024, -2000, -3024])
def test_a_round_field_of_view_changes_nothing(
    tmp_path: Path, head_reader: Bundle, pool: DecodePool, outside: int
) -> None:
    values = head(10, SIDE)
    values[values < AIR / 2] = AIR
    plain = scored(ct_series(tmp_path / "a", values), head_reader, pool)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    values[:, np.hypot(x, y) > 1] = outside
    other = scored(
        signed(ct_series(tmp_path / "b", values, PixelPaddingValue=outside & 0xFFFF), values), head_reader, pool
    )
    assert [one.probability for one in other.findings] == [one.probability for one in plain.findings]


def signed(paths: list[Path], values: np.ndarray) -> list[Path]:
    """The files again, with two's complement and no intercept."""
    for path, plane in zip(paths, values, strict=True):
        dataset = dcmread(path)
        dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
        dataset.PixelData = plane.astype("<i2").tobytes()
        dcmwrite(path, dataset, enforce_file_format=True)
    return paths


def test_signed_and_unsigned_values_score_the_same(tmp_path: Path, head_reader: Bundle, pool: DecodePool) -> None:
    values = head(10, SIDE, bleed=True)
    plain = scored(ct_series(tmp_path / "a", values), head_reader, pool)
    other = scored(signed(ct_series(tmp_path / "b", values), values), head_reader, pool)
    assert [one.probability for one in other.findings] == [one.probability for one in plain.findings]


def test_padding_of_the_value_of_water_is_seen_as_air(tmp_path: Path, head_reader: Bundle, pool: DecodePool) -> None:
    values = head(10, SIDE)
    values[values < AIR / 2] = AIR
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    padded = values.copy()
    padded[:, np.hypot(x, y) > 1.1] = 0
    plain = scored(ct_series(tmp_path / "a", values), head_reader, pool)
    other = scored(signed(ct_series(tmp_path / "b", padded, PixelPaddingValue=0), padded), head_reader, pool)
    assert [one.probability for one in other.findings] == [one.probability for one in plain.findings]


@pytest.mark.parametrize(
    ("attributes", "gate", "words"),
    [
        ({"BodyPartExamined": "HEADNECK"}, "body part", "body part headneck is not one the model reads"),
        ({"ContrastBolusAgent": "Ultravist"}, "contrast", "contrast medium was given (ultravist); the model reads"),
        ({"RescaleIntercept": 0}, "values", "cannot be Hounsfield units: there is no air"),
    ],
)
def test_what_is_refused_is_said(
    tmp_path: Path, head_reader: Bundle, pool: DecodePool, attributes: dict[str, Any], gate: str, words: str
) -> None:
    screening, _ = screen(study_of(*ct_series(tmp_path, head(10, SIDE), **attributes)), [head_reader], pool)
    assert words in stops(only(screening))[gate]


def test_of_plain_contrast_and_bone_series_the_plain_soft_one_is_taken(
    tmp_path: Path, head_reader: Bundle, pool: DecodePool
) -> None:
    values, study = head(10, SIDE), {"StudyInstanceUID": generate_uid()}
    rough = values + np.random.default_rng(1).normal(0, 40, values.shape).astype(np.int16)
    series = {
        "soft": ct_series(tmp_path / "soft", head(40, SIDE), gap_mm=1.25, SeriesNumber=2, **study),
        "bone": ct_series(tmp_path / "bone", rough, SeriesNumber=3, **study),
        "contrast": ct_series(tmp_path / "contrast", values, ContrastBolusAgent="IV", SeriesNumber=4, **study),
        "unnamed": ct_series(tmp_path / "unnamed", values, BodyPartExamined=None, SeriesNumber=5, **study),
    }
    screening = scored([path for paths in series.values() for path in paths], head_reader, pool)
    names = {dcmread(paths[0]).SeriesInstanceUID: name for name, paths in series.items()}
    found = {names[one.series_instance_uid]: one for one in screening.volumes}
    assert found["soft"].scores
    assert found["bone"].not_taken.startswith(
        "series 2 was taken: its kernel is not as sharp, with a noise of 3 in soft"
    )
    assert found["unnamed"].not_taken == "series 2 was taken: its body part is stated, that of this one is not"
    assert "contrast" in stops(found["contrast"])


def test_of_two_kernels_of_one_thickness_the_one_with_less_noise_is_taken(
    tmp_path: Path, head_reader: Bundle, pool: DecodePool
) -> None:
    values, study = head(10, SIDE), {"StudyInstanceUID": generate_uid()}
    rough = values + np.random.default_rng(1).normal(0, 9, values.shape).astype(np.int16)
    noisy = ct_series(tmp_path / "noisy", rough, SeriesNumber=2, **study)
    calm = ct_series(tmp_path / "calm", values, SeriesNumber=3, **study)
    screening = scored([*noisy, *calm], head_reader, pool)
    [other] = [one for one in screening.volumes if not one.scores]
    assert other.series_instance_uid == dcmread(noisy[0]).SeriesInstanceUID
    assert other.not_taken.startswith(
        "series 3 was taken: it has less noise, with a noise of 3 in soft tissue against 9"
    )


SCANS = draw_scans(Retina(scans=3, cyst=0.1))


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "OT"},
        {"Modality": None},
        {"Modality": "OCT"},
        {"Modality": "OP", "BodyPartExamined": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.1"},
        {"Modality": "OPT", "BodyPartExamined": None, "ConversionType": None},
        {"Modality": "OT", "BodyPartExamined": None, "SeriesDescription": "Macula cube"},
    ],
    ids=str,
)
def test_a_b_scan_is_scored_however_it_was_exported(
    tmp_path: Path, oct_reader: Bundle, pool: DecodePool, attributes: dict[str, Any]
) -> None:
    plain = scored([tomography(tmp_path / "a.dcm", SCANS[1:2])], oct_reader, pool)
    other = scored([captured(tmp_path / "b.dcm", SCANS[1], **attributes)], oct_reader, pool)
    assert [one.probability for one in other.findings] == pytest.approx([one.probability for one in plain.findings])


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL", "PALETTE COLOR"])
def test_a_b_scan_stored_as_colour_is_read_as_the_grey_it_shows(
    tmp_path: Path, oct_reader: Bundle, pool: DecodePool, photometric: str
) -> None:
    path = captured(tmp_path / "a.dcm", SCANS[1])
    plain = scored([path], oct_reader, pool)
    dataset = dcmread(path)
    dataset.PhotometricInterpretation = photometric
    if photometric == "PALETTE COLOR":
        for channel in ("Red", "Green", "Blue"):
            name = f"{channel}PaletteColorLookupTable"
            dataset.add_new(tag_for_keyword(f"{name}Descriptor"), "US", [256, 0, 8])
            dataset.add_new(tag_for_keyword(f"{name}Data"), "OW", bytes(range(256)))
    else:
        grey = np.repeat(SCANS[1][..., np.newaxis], 3, axis=2)
        if photometric == "YBR_FULL":
            grey[..., 1:] = 128
        dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PixelData = 3, 0, grey.tobytes()
    dcmwrite(tmp_path / "b.dcm", dataset, enforce_file_format=True)
    other = scored([tmp_path / "b.dcm"], oct_reader, pool)
    assert [one.probability for one in other.findings] == pytest.approx(
        [one.probability for one in plain.findings], abs=2e-3
    )
    assert reason(only(other), "grey") == "stored as colour, shows grey"


def test_a_colour_photograph_of_an_eye_is_no_b_scan(tmp_path: Path, oct_reader: Bundle, pool: DecodePool) -> None:
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    red = np.clip(220 * (1 - np.hypot(x, y)), 0, 255)
    fundus = np.dstack([red, red * 0.4, red * 0.1]).astype(np.uint8)
    dataset = dx(fundus[..., 0], bits=8, Modality="OP", BodyPartExamined="EYE", PatientAge="060Y")
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation, dataset.PixelData = "RGB", fundus.tobytes()
    dcmwrite(tmp_path / "a.dcm", dataset, enforce_file_format=True)
    screening, _ = screen(study_of(tmp_path / "a.dcm"), [oct_reader], pool)
    assert stops(only(screening))["grey"].startswith("a colour picture")


def test_scans_of_other_sizes_are_read_together(tmp_path: Path, oct_reader: Bundle, pool: DecodePool) -> None:
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    sizes = ((256, 512), (496, 768), (1024, 512))
    paths = []
    for number, (rows, columns) in enumerate(sizes):
        scan = draw_scans(Retina(scans=1, rows=rows, columns=columns))[0]
        paths.append(captured(tmp_path / f"{number}.dcm", scan, InstanceNumber=number, **uids))
    assert len(only(scored(paths, oct_reader, pool)).slices) == 3


def test_an_empty_scan_is_said_to_be_blank(tmp_path: Path, oct_reader: Bundle, pool: DecodePool) -> None:
    path = captured(tmp_path / "a.dcm", np.full((256, 512), 7, np.uint8))
    screening, _ = screen(study_of(path), [oct_reader], pool)
    assert stops(only(screening)) == {"pixels": "blank image: every pixel is 7"}


def test_each_capture_finds_the_model_of_its_body_part(
    tmp_path: Path, reader: Bundle, head_reader: Bundle, oct_reader: Bundle, pool: DecodePool
) -> None:
    bundles = [reader, head_reader, oct_reader]
    eye = captured(tmp_path / "eye.dcm", SCANS[1], Modality="OT")
    chest = captured(tmp_path / "chest.dcm", SCANS[1], Modality="OT", BodyPartExamined="CHEST")
    unknown = captured(tmp_path / "unknown.dcm", SCANS[1], Modality="OT", BodyPartExamined=None)
    found = [screen(study_of(path), bundles, pool)[0] for path in (eye, chest, unknown)]
    assert [one.bundle and one.bundle.name for one in found] == ["oct", reader.manifest.name, None]
    assert found[2].urgency.reason == (
        "not scored: a capture that states neither modality nor body part; send the original, or state them"
    )
    assert [gate.outcome for gate in found[1].images[0].gates if gate.gate == "modality"] == [GateOutcome.MARKED]
