"""Scores through ONNX Runtime on the CPU in float32, without torch in this process."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from triage.models.bundle import TOLERANCE, RawScores, ReferencePass, Score, difference

EXPORT_VERSION = 1
"""Raised whenever triage/models/networks or onnx_export.py would give another graph from the same weights."""
BUILD_LIMIT_S = 300


def open_onnx(
    directory: Path, manifest: BundleManifest, vector: ReferencePass, cache: Path, threads: int | None
) -> Score:
    """A function that scores, after the test vector went through it.

    The file in `cache` carries the key of what it was built from and the start of its own SHA-256 in its name; one
    that is missing, damaged or of another key is built again by a child process. Raises BundleError.
    """
    path = _cached(cache, manifest) or _build(directory, manifest, cache)
    score = _open(path, threads)
    found = difference(score(vector.input), vector)
    if not found <= TOLERANCE:
        path.unlink(missing_ok=True)
        raise BundleError(
            f"Bundle {manifest.name}: ONNX Runtime gives the test vector with a difference of {found:.2g}, more than "
            f"{TOLERANCE:g}; its file was removed from the cache and is built again at the next start.",
            difference=found,
        )
    return score


def _open(path: Path, threads: int | None) -> Score:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def score(batch: NDArray[np.float32]) -> RawScores:
        return RawScores(*session.run(["logits", "maps", "features"], {"input": batch}))

    return score


def _key(manifest: BundleManifest) -> str:
    """What the graph depends on: the weights, the network's arguments, the input, this code and its exporter."""
    network, prepare = manifest.network, manifest.prepare
    parts = [
        EXPORT_VERSION,
        network.name,
        dict(sorted(network.arguments.items())),
        [len(manifest.findings), prepare.channels, prepare.height, prepare.width],
    ]
    rest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return f"{network.weights_sha256[:24]}-{rest[:8]}"


def _cached(cache: Path, manifest: BundleManifest) -> Path | None:
    """The intact file for this bundle, if there is one; damaged ones are removed."""
    for path in sorted(cache.glob(f"{_key(manifest)}-*.onnx")):
        if path.stem.rsplit("-", 1)[1] == hashlib.sha256(path.read_bytes()).hexdigest()[:24]:
            return path
        path.unlink(missing_ok=True)
    return None


def _build(directory: Path, manifest: BundleManifest, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{_key(manifest)}.{os.getpid()}.part"
    root = Path(__file__).parents[2]
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "triage.models.onnx_export", str(directory), str(part)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            timeout=BUILD_LIMIT_S,
            check=False,
        )
        if done.returncode != 0 or not part.exists():
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise BundleError(f"Bundle {manifest.name}: its ONNX file could not be built: {last}")
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        path = cache / f"{_key(manifest)}-{digest[:24]}.onnx"
        part.replace(path)
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"Bundle {manifest.name}: building its ONNX file took over {BUILD_LIMIT_S} s.") from error
    finally:
        part.unlink(missing_ok=True)
    return path
