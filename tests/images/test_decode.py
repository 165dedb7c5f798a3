"""Every transfer syntax gives the stored values back, or one sentence."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from data_schemas.errors import RefusedFile, UnreadablePixels
from tests.dicom import as_bytes, dx, dx_file, values_like_a_film
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.images.pixels import StoredPixels

EXACT = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
)


def read(path: Path, at_least_px: int | None = None) -> StoredPixels:
    return decode(path, read_header(path)[1], at_least_px=at_least_px)


@pytest.mark.parametrize("syntax", EXACT, ids=lambda uid: UID(uid).name)
@pytest.mark.parametrize("bits", [12, 16])
def test_lossless_syntaxes_give_exactly_what_was_stored(tmp_path: Path, syntax: UID, bits: int) -> None:
    values = values_like_a_film(97, 63, bits)
    found = read(dx_file(tmp_path / "a.dcm", values, bits=bits, syntax=syntax))
    assert np.array_equal(found.values, values)


@pytest.mark.parametrize("syntax", EXACT, ids=lambda uid: UID(uid).name)
def test_eight_bits_are_read_too(tmp_path: Path, syntax: UID) -> None:
    values = values_like_a_film(64, 48, 8).astype(np.uint8)
    found = read(dx_file(tmp_path / "a.dcm", values, bits=8, syntax=syntax))
    assert np.array_equal(found.values, values)


@pytest.mark.parametrize(("syntax", "bits"), [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 12)])
def test_lossy_jpeg_stays_near_what_was_stored(tmp_path: Path, syntax: UID, bits: int) -> None:
    values = values_like_a_film(64, 80, bits).astype(np.uint8 if bits == 8 else np.uint16)
    found = read(dx_file(tmp_path / "a.dcm", values, bits=bits, syntax=syntax))
    assert np.abs(found.values.astype(int) - values.astype(int)).max() < 0.02 * 2**bits


@pytest.mark.parametrize("syntax", EXACT, ids=lambda uid: UID(uid).name)
def test_negative_values_keep_their_sign(tmp_path: Path, syntax: UID) -> None:
    values = values_like_a_film(32, 40, 12)
    signed = values.astype(np.int16) - 2048
    stored = (signed & 0x0FFF).astype(np.uint16)
    found = read(dx_file(tmp_path / "a.dcm", stored, bits=12, syntax=syntax, PixelRepresentation=1))
    assert np.array_equal(found.values, signed)


def test_bits_above_the_stored_ones_are_not_image(tmp_path: Path) -> None:
    values = values_like_a_film(20, 24, 12)
    with_overlay = values | 0xF000
    found = read(dx_file(tmp_path / "a.dcm", with_overlay, bits=12))
    assert np.array_equal(found.values, values)


def test_the_high_bit_says_where_the_stored_bits_lie(tmp_path: Path) -> None:
    values = values_like_a_film(20, 24, 12)
    found = read(dx_file(tmp_path / "a.dcm", values << 4, bits=12, HighBit=15))
    assert np.array_equal(found.values, values)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_mark_read_at_reduced_resolution_lies_on_its_own_pixel(tmp_path: Path, factor: int) -> None:
    rows, columns = 515, 397
    y, x = np.mgrid[:rows, :columns]
    at = (271.0, 133.0)
    values = (4000 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 14.0**2))).astype(np.uint16)
    path = dx_file(tmp_path / "a.dcm", values, syntax=JPEG2000Lossless)
    found = read(path, at_least_px=min(rows, columns) // factor)
    assert found.values.shape == (-(-rows // factor), -(-columns // factor))
    weights = found.values.astype(float)
    v, u = np.mgrid[: weights.shape[0], : weights.shape[1]]
    centre_x, centre_y = (u * weights).sum() / weights.sum(), (v * weights).sum() / weights.sum()
    (a, b, c), (d, e, f) = found.to_image
    assert a * centre_x + b * centre_y + c == pytest.approx(at[0], abs=0.3)
    assert d * centre_x + e * centre_y + f == pytest.approx(at[1], abs=0.3)


def test_reduced_values_stay_in_the_stored_range(tmp_path: Path) -> None:
    values = np.zeros((512, 512), np.uint16)
    values[100:300, 100:300] = 4095
    found = read(dx_file(tmp_path / "a.dcm", values, syntax=JPEG2000Lossless), at_least_px=64)
    assert found.values.max() <= 4095
    assert abs(float(found.values[30, 30]) - 4095) < 200
    assert float(found.values[5, 5]) < 200


def test_pixels_that_end_early_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(as_bytes(dx())[:-500])
    header = read_header(path)[1]
    with pytest.raises(UnreadablePixels, match="shorter than 96 x 80 needs"):
        decode(path, header)


@pytest.mark.parametrize("syntax", EXACT[4:], ids=lambda uid: UID(uid).name)
def test_a_damaged_codestream_is_one_sentence(tmp_path: Path, syntax: UID) -> None:
    content = bytearray(as_bytes(dx(syntax=syntax)))
    at = content.rindex(b"\xfe\xff\x00\xe0") + 8
    content[at : at + 24] = bytes(24)
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    header = read_header(path)[1]
    with pytest.raises(UnreadablePixels) as refusal:
        decode(path, header)
    assert "ask the sender" in refusal.value.sentence


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "32 bits allocated"),
        ({"BitsStored": 20}, "20 bits stored do not fit"),
        ({"SamplesPerPixel": 4}, "4 samples a pixel"),
        ({"SamplesPerPixel": 3}, "colour with 16 bits"),
    ],
)
def test_a_layout_that_is_not_read_is_named(tmp_path: Path, attributes: dict[str, int], words: str) -> None:
    path = dx_file(tmp_path / "a.dcm", **attributes)
    with pytest.raises(UnreadablePixels, match=words):
        read(path)


def test_an_unknown_syntax_is_named(tmp_path: Path) -> None:
    content = as_bytes(dx(syntax=JPEGLSLossless)).replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.55")
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    with pytest.raises(UnreadablePixels, match=r"1\.2\.840\.10008\.1\.2\.4\.55 is not supported"):
        read(path)


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path: Path) -> None:
    path = dx_file(tmp_path / "a.dcm", syntax=JPEG2000Lossless, Rows=90)
    with pytest.raises(UnreadablePixels, match="holds 96 x 80 pixels, the header says 90 x 80"):
        read(path)


def colour(**attributes: object) -> dict[str, object]:
    return {"SamplesPerPixel": 3, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, **attributes}


def test_colour_is_read_in_both_planar_configurations(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (96, 80, 3), dtype=np.uint8)
    for planar, stored in ((0, rgb), (1, rgb.transpose(2, 0, 1))):
        attributes = colour(PhotometricInterpretation="RGB", PlanarConfiguration=planar, PixelData=stored.tobytes())
        found = read(dx_file(tmp_path / f"{planar}.dcm", **attributes))
        assert np.array_equal(found.values, rgb)


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    ybr = np.empty((96, 80, 3), np.uint8)
    ybr[...] = (76, 85, 255)  # pure red (PS3.3 C.7.6.3.1.2)
    full = colour(PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0, PixelData=ybr.tobytes())
    assert np.abs(read(dx_file(tmp_path / "full.dcm", **full)).values.astype(int) - (255, 0, 0)).max() <= 3
    pairs = np.tile(np.array([76, 76, 85, 255], np.uint8), 96 * 40)
    half = colour(PhotometricInterpretation="YBR_FULL_422", PlanarConfiguration=0, PixelData=pairs.tobytes())
    assert np.abs(read(dx_file(tmp_path / "half.dcm", **half)).values.astype(int) - (255, 0, 0)).max() <= 3


def test_palette_colour_is_looked_up(tmp_path: Path) -> None:
    values = np.arange(96 * 80, dtype=np.uint8).reshape(96, 80) % 4
    tables = {f"{name}PaletteColorLookupTableDescriptor": [4, 0, 16] for name in ("Red", "Green", "Blue")}
    entries = {
        "RedPaletteColorLookupTableData": np.array([0, 65535, 0, 0], "<u2").tobytes(),
        "GreenPaletteColorLookupTableData": np.array([0, 0, 65535, 0], "<u2").tobytes(),
        "BluePaletteColorLookupTableData": np.array([0, 0, 0, 65535], "<u2").tobytes(),
    }
    path = dx_file(tmp_path / "a.dcm", values, bits=8, PhotometricInterpretation="PALETTE COLOR", **tables, **entries)
    assert read(path).values[0, :4].tolist() == [[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_every_real_file_gives_pixels_or_one_sentence(shared_data: Path) -> None:
    from data_schemas.errors import RefusedFile

    seen = 0
    for path in sorted((shared_data / "dicom").rglob("*")):
        if not path.is_file():
            continue
        try:
            pixels = read(path)
        except (RefusedFile, UnreadablePixels) as fault:
            assert fault.sentence and "\n" not in fault.sentence
        else:
            assert pixels.values.shape[:2] == (pixels.header.rows, pixels.header.columns)
            seen += 1
    assert seen >= 60


def test_the_real_film_equals_what_pydicom_reads(shared_data: Path) -> None:
    from pydicom import dcmread

    path = next((shared_data / "dicom" / "cr_chest").iterdir())
    assert np.array_equal(read(path).values, dcmread(path).pixel_array)


def test_what_was_noted_of_a_file_gives_what_parsing_it_again_gives(shared_data: Path) -> None:
    compared = 0
    for path in sorted(one for one in (shared_data / "dicom").rglob("*") if one.is_file()):
        try:
            _, header = read_header(path)
            if header.plain is None:
                continue
            parsed = decode(path, header.model_copy(update={"plain": None}))
        except (RefusedFile, UnreadablePixels):
            continue
        noted = decode(path, header)
        assert np.array_equal(noted.values, parsed.values), path.name
        assert noted.values.dtype == parsed.values.dtype, path.name
        assert (noted.look, noted.to_image) == (parsed.look, parsed.to_image), path.name
        compared += 1
    assert compared > 20
