"""What a header says, and one sentence for each file that is not taken."""

import zlib
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from data_schemas.errors import RefusedFile
from data_schemas.urgency import Level
from tests.dicom import as_bytes, dx, dx_file
from triage.images.headers import instance_header, read_header, study_header
from triage.images.opening import ReadLimits, open_dataset
from triage.phantoms import retina


def refusal(path: Path, limits: ReadLimits | None = None) -> str:
    with pytest.raises(RefusedFile) as refused:
        read_header(path, limits=limits)
    assert "\n" not in refused.value.sentence
    return refused.value.sentence


def test_patient_study_and_image_are_read(tmp_path: Path) -> None:
    study, image = read_header(dx_file(tmp_path / "a.dcm"))
    assert (study.patient_name, study.patient_id, study.age_years) == ("PHANTOM^TEST", "PH-1", 60)
    assert (image.modality, image.body_part, image.view_position) == ("DX", "CHEST", "PA")
    assert (image.rows, image.columns, image.bits_stored, image.high_bit) == (96, 80, 12, 11)
    assert image.has_pixels


def test_a_file_without_preamble_and_meta_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dataset = dx(syntax=ImplicitVRLittleEndian)
    uid = dataset.StudyInstanceUID
    del dataset.file_meta
    dcmwrite(path, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
    study, image = read_header(path)
    assert study.study_instance_uid == uid
    assert image.transfer_syntax_uid == ImplicitVRLittleEndian


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_of_the_header_are_read(tmp_path: Path, syntax: str) -> None:
    study, image = read_header(dx_file(tmp_path / "a.dcm", syntax=syntax))
    assert study.patient_id == "PH-1"
    assert image.rows == 96


@pytest.mark.parametrize(
    ("attributes", "years"),
    [
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "010W"}, 70 / 365.25),
        ({"PatientAge": None, "PatientBirthDate": "20000101", "StudyDate": "20250101"}, 9132 / 365.25),
        ({"PatientAge": None, "PatientBirthDate": "", "StudyDate": "20250101"}, None),
        ({"PatientAge": None, "PatientBirthDate": "20300101", "StudyDate": "20250101"}, None),
    ],
)
def test_age(tmp_path: Path, attributes: dict[str, Any], years: float | None) -> None:
    found = read_header(dx_file(tmp_path / "a.dcm", **attributes))[0].age_years
    assert found == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("stated", "level"),
    [("STAT", Level.STAT), ("HIGH", Level.HIGH), ("MEDIUM", Level.ROUTINE), ("LOW", Level.LOW), ("ASAP", None)],
)
def test_ordered_priority(tmp_path: Path, stated: str, level: Level | None) -> None:
    assert read_header(dx_file(tmp_path / "a.dcm", RequestedProcedurePriority=stated))[0].requested_priority == level


def test_the_most_urgent_request_in_the_sequence_counts(tmp_path: Path) -> None:
    requests = []
    for stated in ("LOW", "HIGH"):
        request = Dataset()
        request.RequestedProcedurePriority = stated
        requests.append(request)
    path = dx_file(tmp_path / "a.dcm", RequestAttributesSequence=Sequence(requests))
    assert read_header(path)[0].requested_priority == Level.HIGH


@pytest.mark.parametrize(
    ("meaning", "view"), [("postero-anterior", "PA"), ("antero-posterior", "AP"), ("left lateral", "LL")]
)
def test_view_from_its_code(tmp_path: Path, meaning: str, view: str) -> None:
    code = Dataset()
    code.CodeMeaning = meaning
    path = dx_file(tmp_path / "a.dcm", ViewPosition=None, ViewCodeSequence=Sequence([code]))
    assert read_header(path)[1].view_position == view


@pytest.mark.parametrize(
    ("attributes", "side"),
    [
        ({"ImageLaterality": "R", "Laterality": "L"}, "R"),
        ({"Laterality": "L"}, "L"),
        ({"ImageLaterality": "", "Laterality": "b"}, "B"),
        ({"ImageLaterality": "OD"}, ""),
        ({}, ""),
    ],
)
def test_side_of_the_body(tmp_path: Path, attributes: dict[str, str], side: str) -> None:
    assert read_header(dx_file(tmp_path / "a.dcm", **attributes))[1].laterality == side


def test_side_of_all_frames_of_an_eye(tmp_path: Path) -> None:
    dataset = retina.as_dicom(retina.draw_scans(retina.Retina(scans=2)), "EYE", 1, "drawn")
    del dataset.ImageLaterality
    dcmwrite(tmp_path / "eye.dcm", dataset, enforce_file_format=True)
    assert read_header(tmp_path / "eye.dcm")[1].laterality == "R"


def test_names_in_every_character_set(shared_data: Path) -> None:
    names = [read_header(path)[0].patient_name for path in sorted((shared_data / "dicom/charsets").glob("*.dcm"))]
    assert names and all("\ufffd" not in name and "\x1b" not in name for name in names)


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_an_image_of_no_study_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(dx(**{missing: None})))
    assert refusal(path).startswith(f"{missing} is missing")


@pytest.mark.parametrize("uid", ["../../etc", "1.2 3", "1" * 200, "1.2/3"])
def test_what_is_no_uid_is_refused(tmp_path: Path, uid: str) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(dx(StudyInstanceUID=uid)))
    assert "is not a UID" in refusal(path)


def test_text_holds_no_control_characters(tmp_path: Path) -> None:
    study, _ = read_header(dx_file(tmp_path / "a.dcm", StudyDescription="Chest\x1b[31m\nPA"))
    assert study.study_description == "Chest [31m PA"


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.11", "structured report"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "presentation state"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "encapsulated document"),
        ("1.2.840.10008.1.3.10", "DICOMDIR"),
    ],
)
def test_objects_without_an_image_are_named(tmp_path: Path, uid: str, words: str) -> None:
    assert words in refusal(dx_file(tmp_path / "a.dcm", SOPClassUID=uid))


def test_no_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(dx(PixelData=None)))
    assert "no pixels" in refusal(path)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (60000, 60000, "60000 x 60000 pixels is beyond the limit"),
        (16000, 16000, "beyond the limit of 120,000,000 pixels"),
        (0, 80, "Rows or Columns is missing"),
    ],
)
def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path, rows: int, columns: int, words: str) -> None:
    assert words in refusal(dx_file(tmp_path / "a.dcm", Rows=rows, Columns=columns))


@pytest.mark.parametrize("content", [b"x" * 3000, b"{}", bytes(range(256)) * 20, b"\0" * 128 + b"DICM"])
def test_other_bytes_are_no_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    sentence = refusal(path)
    assert "DICOM" in sentence or "is missing" in sentence


def test_a_file_beyond_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = dx_file(tmp_path / "a.dcm")
    assert refusal(path, ReadLimits(max_file_bytes=1000)).startswith("larger than the limit")


def test_a_deflate_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    dataset = dx(syntax=DeflatedExplicitVRLittleEndian, ImageComments="x")
    content = as_bytes(dataset)
    group_length = int.from_bytes(content[140:144], "little")
    at = 132 + 12 + group_length
    packer = zlib.compressobj(wbits=-15)
    plain = zlib.decompressobj(-15).decompress(content[at:])
    bomb = packer.compress(plain + bytes(50_000_000)) + packer.flush()
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:at] + bomb)
    assert "unpacks to more than the limit" in refusal(path, ReadLimits(max_inflated_bytes=2**20))
    path.write_bytes(content[:at] + b"\xff" * 200)
    assert "damaged" in refusal(path)


def test_deeply_nested_sequences_are_refused(tmp_path: Path) -> None:
    item_open, element = b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff"
    content = as_bytes(dx(PixelData=None))
    path = tmp_path / "a.dcm"
    path.write_bytes(content + (element + item_open) * 20_000)
    assert refusal(path)


def test_a_cut_header_is_refused(tmp_path: Path) -> None:
    content = as_bytes(dx())
    path = tmp_path / "a.dcm"
    for length in (150, 400, 700):
        path.write_bytes(content[:length])
        assert refusal(path)


def test_what_is_read_of_a_file_is_all_that_the_header_needs(shared_data: Path) -> None:
    """Of every real file the header from the few tags that are parsed is that from all of them."""
    compared = 0
    for path in sorted(one for one in (shared_data / "dicom").rglob("*") if one.is_file()):
        try:
            found = read_header(path)
        except RefusedFile:
            continue
        whole = open_dataset(path, ReadLimits())
        whole.source.close()
        plain = found[1].plain
        assert found == (
            study_header(whole.dataset),
            instance_header(whole.dataset).model_copy(update={"plain": plain}),
        ), path.name
        compared += 1
    assert compared > 50
