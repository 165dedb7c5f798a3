from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles import write_reader
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle, load_bundle


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that lets every distribution pass."""
    folder = tmp_path_factory.mktemp("readers")
    write_reader(folder / "reader")
    return load_bundle(folder / "reader", folder / "cache", "onnx", threads=1)


@pytest.fixture(scope="session")
def narrow_reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle that lets no distribution pass."""
    folder: Path = tmp_path_factory.mktemp("narrow")
    write_reader(folder / "reader", threshold=-1e9)
    return load_bundle(folder / "reader", folder / "cache", "onnx", threads=1)


@pytest.fixture(scope="session")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1, 20, 1024 * 2**20) as opened:
        yield opened
