from pathlib import Path

import pytest
import torch

from data_schemas.bundle import BundleManifest
from tests.models import tiny


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    torch.set_num_threads(2)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the session's tests, as ONNX files of equal weights are equal."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BundleManifest]:
    """Read only: copy it before changing a file."""
    directory = tmp_path_factory.mktemp("bundles") / "tiny"
    return directory, tiny.write(directory, tiny.manifest())
