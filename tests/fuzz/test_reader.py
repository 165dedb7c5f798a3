"""Hostile bytes give one sentence each: nothing else comes out of the reader.

TRIAGE_TEST_FUZZ_SECONDS makes the mutation run longer; what it finds is kept below as a case.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from time import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless

from data_schemas.errors import RefusedFile, UnreadablePixels
from pipelines.encode import SYNTAXES, UNCOMPRESSED
from tests.dicom import as_bytes, dx, values_like_a_film
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.intake.archive import members
from triage.intake.limits import IntakeLimits
from triage.intake.sniff import Kind, kind_of
from triage.web.pixels import packed

SECONDS = float(os.environ.get("TRIAGE_TEST_FUZZ_SECONDS", "20"))
LIMITS = ReadLimits(max_pixels=4_000_000, max_inflated_bytes=8 * 2**20)
WITHIN = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1, 10, 1024 * 2**20, LIMITS) as opened:
        yield opened


class Seeds(list[bytes]):
    """Kept out of failure reports, which would print every byte."""

    def __repr__(self) -> str:
        return f"{len(self)} files"


@pytest.fixture(scope="module")
def seeds() -> Seeds:
    """A small film in every syntax."""
    made = Seeds()
    for syntax in (*UNCOMPRESSED, *SYNTAXES.values(), JPEGLossless, JPEGExtended12Bit):
        made.append(as_bytes(dx(values_like_a_film(24, 20), syntax=syntax, WindowCenter="9", WindowWidth="5")))
    made.append(as_bytes(dx(values_like_a_film(24, 20, 8).astype(np.uint8), bits=8, syntax=JPEGBaseline8Bit)))
    made.append(as_bytes(dx(values_like_a_film(24, 20), syntax=ExplicitVRBigEndian, RescaleSlope="2")))
    return made


def read(path: Path, pool: DecodePool) -> str:
    """How reading the file ends, in words."""
    try:
        if kind_of(path) is Kind.ARCHIVE:
            for _, member in members(path, path.parent, IntakeLimits(max_archive_bytes=2**20)):
                if isinstance(member, Path):
                    member.unlink()
            return "an archive"
        _, header = read_header(path, limits=LIMITS)
        packed(pool.read(path, header), None)
    except (RefusedFile, UnreadablePixels) as fault:
        assert fault.sentence
        assert "\n" not in fault.sentence
        return fault.sentence
    return "read"


@WITHIN
@given(content=st.binary(max_size=3000))
def test_random_bytes(content: bytes, tmp_path: Path, pool: DecodePool) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    read(path, pool)
    path.write_bytes(bytes(128) + b"DICM" + content)
    read(path, pool)
    path.write_bytes(b"PK\x03\x04" + content)
    read(path, pool)


@WITHIN
@given(data=st.data())
def test_changed_bytes_of_a_good_file(data: st.DataObject, tmp_path: Path, pool: DecodePool, seeds: Seeds) -> None:
    content = bytearray(seeds[data.draw(st.integers(0, len(seeds) - 1))])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(128, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.dcm"
    path.write_bytes(content[: data.draw(st.integers(132, len(content)))])
    read(path, pool)


def mutated(content: bytes, random: np.random.Generator) -> bytes:
    """A few bytes changed, a piece cut out, doubled or filled, mostly near the header."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 6)):
        reach = len(changed) if random.random() < 0.3 else min(len(changed), 2000)
        at, length = int(random.integers(0, max(reach, 1))), int(random.choice([1, 1, 2, 4, 16, 200]))
        way = random.integers(4)
        if way == 0:
            changed[at : at + length] = random.bytes(length)
        elif way == 1:
            del changed[at : at + length]
        elif way == 2:
            changed[at:at] = changed[at : at + length]
        else:
            changed[at : at + length] = bytes([random.choice([0, 255, 127])]) * length
    return bytes(changed)


def test_mutations_of_every_syntax(tmp_path: Path, pool: DecodePool, seeds: Seeds) -> None:
    random = np.random.default_rng()
    path, end = tmp_path / "a.dcm", time() + SECONDS / 2
    endings: set[str] = set()
    while time() < end:
        content = mutated(seeds[random.integers(len(seeds))], random)
        path.write_bytes(content)
        try:
            endings.add(read(path, pool))
        except BaseException:
            Path("fuzz-case.dcm").write_bytes(content)
            raise
    assert len(endings) > 1


def test_mutations_of_real_files(tmp_path: Path, pool: DecodePool, shared_data: Path) -> None:
    random = np.random.default_rng()
    files = [p for p in sorted((shared_data / "dicom").rglob("*")) if p.is_file() and p.stat().st_size < 300_000]
    path, end = tmp_path / "a.dcm", time() + SECONDS / 2
    while time() < end:
        content = mutated(files[random.integers(len(files))].read_bytes(), random)
        path.write_bytes(content)
        try:
            read(path, pool)
        except BaseException:
            Path("fuzz-case.dcm").write_bytes(content)
            raise
