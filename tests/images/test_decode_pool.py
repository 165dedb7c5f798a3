"""Compressed pixels are decoded by children that may die without hurting anyone."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from types import ModuleType

import numpy as np
import psutil
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from data_schemas.errors import UnreadablePixels
from data_schemas.study import InstanceHeader
from tests.dicom import as_bytes, dx, dx_file, values_like_a_film
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header

MIB = 2**20


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(processes=2, seconds=20, memory_bytes=1024 * MIB) as opened:
        yield opened


def header(path: Path) -> InstanceHeader:
    return read_header(path)[1]


def test_four_threads_share_two_children(pool: DecodePool, tmp_path: Path) -> None:
    values = [values_like_a_film(50 + n, 40, seed=n) for n in range(8)]
    paths = [dx_file(tmp_path / f"{n}.dcm", v, syntax=JPEGLSLossless) for n, v in enumerate(values)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda path: pool.read(path, header(path)).values, paths))
    assert all(np.array_equal(a, b) for a, b in zip(found, values, strict=True))


def test_uncompressed_pixels_need_no_child(tmp_path: Path) -> None:
    path = dx_file(tmp_path / "a.dcm")
    before = len(psutil.Process().children())
    with DecodePool(1, 5, 512 * MIB) as own:
        assert own.read(path, header(path)).values.shape == (96, 80)
        assert len(psutil.Process().children()) == before


def test_a_page_that_took_the_place_of_the_main_module_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit puts the script it runs there; a child that imported it would be a second server."""
    page = ModuleType("__main__")
    page.__file__ = str(tmp_path / "page.py")
    (tmp_path / "page.py").write_text("raise SystemExit('this page was run again')")
    monkeypatch.setitem(sys.modules, "__main__", page)
    path = dx_file(tmp_path / "a.dcm", syntax=JPEGLSLossless)
    with DecodePool(1, 20, 1024 * MIB) as own:
        assert own.read(path, header(path)).values.shape == (96, 80)


def test_a_damaged_stream_is_one_sentence_and_the_child_lives(pool: DecodePool, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    content = bytearray(as_bytes(dx(syntax=JPEG2000Lossless)))
    at = content.rindex(b"\xfe\xff\x00\xe0") + 8
    content[at : at + 60] = bytes(60)
    path.write_bytes(content)
    with pytest.raises(UnreadablePixels, match="JPEG 2000 pixel data is damaged"):
        pool.read(path, header(path))
    good = dx_file(tmp_path / "b.dcm", syntax=JPEG2000Lossless)
    assert pool.read(good, header(good)).values.shape == (96, 80)


def test_a_child_that_dies_ends_one_image(tmp_path: Path) -> None:
    path = dx_file(tmp_path / "a.dcm", values_like_a_film(1500, 1500), syntax=JPEG2000Lossless)
    before = set(psutil.Process().children())
    with DecodePool(1, 30, 1024 * MIB) as own:
        own.read(path, header(path))
        (child,) = set(psutil.Process().children()) - before
        Timer(0.05, child.kill).start()
        with pytest.raises(UnreadablePixels, match="crashes its decoder"):
            for _ in range(200):
                own.read(path, header(path))
        assert own.read(path, header(path)).values.shape == (1500, 1500)


def test_a_child_that_takes_too_long_is_replaced(tmp_path: Path) -> None:
    slow = dx_file(tmp_path / "a.dcm", values_like_a_film(2500, 2500), syntax=JPEG2000Lossless)
    quick = dx_file(tmp_path / "b.dcm", syntax=JPEGLSLossless)
    with DecodePool(1, 20, 1024 * MIB) as own:
        own.read(quick, header(quick))
        own.seconds = 0.02
        with pytest.raises(UnreadablePixels, match="takes longer than"):
            own.read(slow, header(slow))
        own.seconds = 20
        assert own.read(quick, header(quick)).values.shape == (96, 80)


def test_a_stream_that_claims_too_much_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    dataset = dx(syntax=JPEG2000Lossless, Rows=10_000, Columns=10_000)
    content = bytearray(as_bytes(dataset))
    size = content.rindex(b"\xff\x51") + 6  # SIZ marker: Xsiz and Ysiz follow, then the tile's size 16 bytes later
    for at in (size, size + 16):
        content[at : at + 8] = (10_000).to_bytes(4, "big") * 2
    path.write_bytes(content)
    with DecodePool(1, 20, 700 * MIB) as own, pytest.raises(UnreadablePixels):
        own.read(path, header(path))


def test_closing_ends_every_child(tmp_path: Path) -> None:
    path = dx_file(tmp_path / "a.dcm", syntax=JPEGLSLossless)
    own = DecodePool(2, 20, 1024 * MIB)
    before = {child.pid for child in psutil.Process().children()}
    own.read(path, header(path))
    own.close()
    assert {child.pid for child in psutil.Process().children()} <= before
