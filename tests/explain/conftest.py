from pathlib import Path

import pytest

from tests.models import tiny
from tests.models.conftest import two_threads
from triage.models.bundle import Bundle, load_bundle
from triage.models.networks import TABLE

__all__ = ["two_threads"]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """One tiny bundle for each network, scored by torch: the CPU runtime's equality is tests/models' matter."""
    folder = tmp_path_factory.mktemp("explained")
    for name in TABLE:
        tiny.write(folder / name, tiny.manifest(name, height=128, width=96))
    return {name: load_bundle(folder / name, Path(folder / "cache"), "torch") for name in TABLE}
