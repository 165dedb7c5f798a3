from pathlib import Path

import pytest

from tests.models import tiny
from tests.models.conftest import two_threads
from triage.models.bundle import Bundle, load_bundle

__all__ = ["two_threads"]

EXPLAINED = ("efficientnet_lite0", "densenet121", "resnet18")


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """A few networks as tiny bundles, scored by torch; tests/models holds every network of the table."""
    folder = tmp_path_factory.mktemp("explained")
    for name in EXPLAINED:
        tiny.write(folder / name, tiny.manifest(name, height=128, width=96))
    return {name: load_bundle(folder / name, Path(folder / "cache"), "torch") for name in EXPLAINED}
