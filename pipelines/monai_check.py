"""Does MONAI itself take the bundle? Its own `run` on a picture, and, where its schema lies here, its own check."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from data_schemas.errors import BundleError

ROOT = Path(__file__).parents[1]
LIMIT_S = 300


def run_in_monai(directory: Path, images: Sequence[Path]) -> dict[str, dict[str, float]]:
    """Probabilities by image and finding, from what `python -m monai.bundle run` calls. Raises BundleError.

    A process of its own, for a bundle's config imports what it likes; the command itself would need the package fire.
    """
    program = (
        "from monai.bundle import run\n"
        "run(config_file='configs/inference.json', meta_file='configs/metadata.json', bundle_root='.', "
        f"images={[str(image.resolve()) for image in images]!r})"
    )
    printed = _python(directory, program, "MONAI does not run it")
    found: dict[str, dict[str, float]] = json.loads(printed[printed.index('{\n  "') :])
    return {Path(name).name: scores for name, scores in found.items()}


def verify_metadata(directory: Path, schema: Path) -> None:
    """MONAI's verify_metadata with its schema from a local file. Raises BundleError where it does not agree.

    The schema is what the metadata's address names; it is not downloaded here.
    """
    program = (
        "from monai.bundle import verify_metadata\n"
        f"verify_metadata(meta_file='configs/metadata.json', filepath={str(schema.resolve())!r})"
    )
    _python(directory, program, "MONAI's schema does not take its metadata")


def _python(directory: Path, program: str, fault: str) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=directory,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"Bundle {directory.name}: {fault}: it took over {LIMIT_S} s.") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise BundleError(f"Bundle {directory.name}: {fault}: {last}")
    return done.stdout
