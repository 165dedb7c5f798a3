import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_schemas.bundle import BundleManifest
from triage.images.pixels import picture
from triage.models import monai_bundle
from triage.models.bundle import load_bundle
from triage.models.calibration import finding_scores
from triage.models.prepare import prepare

ROOT = Path(__file__).parents[2]


def test_metadata_has_what_the_specification_calls_mandatory(tiny_bundle: tuple[Path, BundleManifest]) -> None:
    directory, manifest = tiny_bundle
    metadata = json.loads((directory / "configs" / "metadata.json").read_text())
    assert set(monai_bundle.REQUIRED) <= set(metadata)
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["spatial_shape"] == [manifest.prepare.height, manifest.prepare.width]
    assert image["value_range"] == [-2.0, 2.0]
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert channels == {"0": "Effusion", "1": "Nodule", "2": "Mass"}


def test_readme_says_purpose_limits_and_what_is_experimental(tiny_bundle: tuple[Path, BundleManifest]) -> None:
    text = (tiny_bundle[0] / "docs" / "README.md").read_text()
    assert "**Not for:** patients." in text
    assert "| Effusion | 0.800 (0.750 to 0.900; 30 with, 300 without) | 0.400 | HIGH |" in text
    assert "| Nodule | 0.800 (0.600 to 0.900; 30 with, 300 without) | 0.400 | nothing: experimental |" in text


def test_monai_bundle_run_gives_the_same_scores(
    tiny_bundle: tuple[Path, BundleManifest], cache: Path, tmp_path: Path
) -> None:
    directory, manifest = tiny_bundle
    names = [str(tmp_path / f"{number}.png") for number in range(2)]
    for seed, name in enumerate(names):
        cv2.imwrite(name, np.random.default_rng(seed).integers(0, 256, (150, 101), dtype=np.uint8))
    # what `python -m monai.bundle run` calls; the command itself needs the package fire, which is not ours
    program = (
        "from monai.bundle import run\n"
        "run(config_file='configs/inference.json', meta_file='configs/metadata.json', "
        f"bundle_root='.', images={names!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = json.loads(done.stdout[done.stdout.index('{\n  "') :])
    bundle = load_bundle(directory, cache, "onnx")
    for name in names:
        tensor = prepare(picture(Path(name)), manifest.prepare).tensor
        expected = finding_scores(manifest, bundle.score(tensor[None]).logits[0])
        assert printed[name] == pytest.approx({score.finding: score.probability for score in expected}, abs=1e-4)
