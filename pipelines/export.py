"""`python -m pipelines.export --run RUN --out DIR`: what training left in a run folder becomes a verified bundle.

A run folder holds config.yaml, weights.safetensors, manifest.json, statistics.safetensors and evaluation.json; CARD.md
is taken along where it is there.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from pydantic import ValidationError
from safetensors import SafetensorError

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError, TriageError
from pipelines import runtimes
from pipelines.monai_check import run_in_monai, verify_metadata
from pipelines.take_in_model import read_images
from pipelines.whole_folder import bundle_folder
from triage.images.pixels import picture
from triage.models.bundle import TOLERANCE, load_bundle, read_test_vector, verify_bundle
from triage.models.bundle_files import write_bundle
from triage.models.calibration import finding_scores
from triage.models.evidence import EVALUATION
from triage.models.networks import MapNetwork
from triage.models.ood import Statistics, read_statistics
from triage.models.prepare import prepare
from triage.models.runtime_torch import network_from

CARD = "CARD.md"
RUNTIMES = "runtimes.json"
INT8 = "edge/int8.onnx"


@dataclass(frozen=True)
class Run:
    """What training left."""

    manifest: BundleManifest
    network: MapNetwork
    weights_sha256: str
    """Of the run's file, in float32."""
    statistics: Statistics
    evaluation: dict[str, Any]


def read_run(folder: Path) -> Run:
    """A run folder. Raises TriageError naming the file that is missing or not what it should be."""
    content = {
        name: _bytes(folder / name)
        for name in ("manifest.json", "weights.safetensors", "statistics.safetensors", EVALUATION)
    }
    try:
        manifest = BundleManifest.model_validate_json(content["manifest.json"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TriageError(f"{folder.name}: manifest.json, {place or 'file'}: {first['msg']}.") from error
    try:
        statistics = read_statistics(content["statistics.safetensors"])
        evaluation = json.loads(content[EVALUATION])
    except (SafetensorError, KeyError, ValueError) as error:
        raise TriageError(f"{folder.name}: statistics or {EVALUATION} cannot be used: {error}.") from error
    weights = content["weights.safetensors"]
    network = network_from(manifest, weights)
    return Run(manifest, network, hashlib.sha256(weights).hexdigest(), statistics, evaluation)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TriageError(f"{path.parent.name}: {path.name} cannot be read ({error.strerror}).") from error


@dataclass(frozen=True)
class Exported:
    """The bundle's manifest and its runtimes side by side."""

    manifest: BundleManifest
    rows: list[runtimes.Row]


def export(
    run_folder: Path, out: Path, images: Path | None = None, schema: Path | None = None, *, int8: bool = False
) -> Exported:
    """Write and verify the bundle; it appears at `out` only when every check has passed. Raises TriageError.

    `images` are what runtimes are compared on (DICOM, PNG or JPEG of the kind; without them, the test vector);
    `schema` is MONAI's metadata schema, where a file of it is at hand.
    """
    run = read_run(run_folder)
    spec = run.manifest.prepare
    inputs = read_images(images, spec) if images is not None else None
    if int8 and inputs is None:
        raise TriageError("8-bit weights need images of the kind to calibrate on; name their folder with --images.")
    with bundle_folder(out) as part, tempfile.TemporaryDirectory() as cache:
        manifest = write_bundle(part, run.manifest, run.network, run.statistics, None if inputs is None else inputs[:2])
        _take_along(run, run_folder, part, manifest)
        verify_bundle(part, Path(cache))
        batch = read_test_vector(part, manifest).input if inputs is None else inputs
        if int8:
            rows = runtimes.compare_int8(part, Path(cache), batch, part / INT8)
        else:
            rows = runtimes.compare(part, Path(cache), batch)
        _require_equal(manifest, rows[1])
        _check_with_monai(part, Path(cache), schema)
        (part / RUNTIMES).write_text(json.dumps(runtimes.plain(rows), indent=2) + "\n", encoding="utf-8")
    return Exported(manifest, rows)


def _take_along(run: Run, run_folder: Path, part: Path, manifest: BundleManifest) -> None:
    """evaluation.json, which must speak of the run's weights, with the hash that they have in the bundle."""
    stored = manifest.network.weights_sha256
    bundle = run.evaluation.get("bundle")
    stated = bundle.get("weights_sha256") if isinstance(bundle, dict) else None
    if stated not in (run.weights_sha256, stored):
        raise TriageError(f"{run_folder.name}: {EVALUATION} speaks of other weights than weights.safetensors.")
    named = {"name": manifest.name, "version": manifest.version, "weights_sha256": stored}
    text = json.dumps(run.evaluation | {"bundle": named}, indent=2, ensure_ascii=False, allow_nan=False)
    (part / EVALUATION).write_text(text + "\n", encoding="utf-8")
    if (run_folder / CARD).is_file():
        shutil.copyfile(run_folder / CARD, part / CARD)


def _require_equal(manifest: BundleManifest, onnx: runtimes.Row) -> None:
    """On the images too, not on the test vector alone."""
    if not onnx.largest_probability_difference <= TOLERANCE:
        raise BundleError(
            f"Bundle {manifest.name}: ONNX Runtime and torch differ by "
            f"{onnx.largest_probability_difference:.2g} in a probability."
        )


def _check_with_monai(part: Path, cache: Path, schema: Path | None) -> None:
    """MONAI's own run gives the product's scores on a drawn picture."""
    bundle = load_bundle(part, cache, "onnx", threads=1)
    name = cache / "picture.png"
    cv2.imwrite(str(name), np.random.default_rng(0).integers(0, 256, (150, 101), dtype=np.uint8))
    tensor = prepare(picture(name), bundle.manifest.prepare).tensor
    expected = finding_scores(bundle.manifest, bundle.score(tensor[None]).logits[0])
    found = run_in_monai(part, [name])[name.name]
    for score in expected:
        if not abs(found[score.finding] - score.probability) <= TOLERANCE:
            raise BundleError(f"Bundle {part.name}: MONAI gives {score.finding} another score than the product.")
    if schema is not None:
        verify_metadata(part, schema)


def main(
    run: Annotated[Path, typer.Option(help="Run folder that training left.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    images: Annotated[Path | None, typer.Option(help="Folder of images of the kind, to compare runtimes on.")] = None,
    schema: Annotated[Path | None, typer.Option(help="MONAI's metadata schema, a local file.")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Also 8-bit weights for the edge, as edge/int8.onnx.")] = False,
) -> None:
    """Export a bundle, or say in one sentence why not; print its runtimes side by side."""
    try:
        exported = export(run, out, images, schema, int8=int8)
    except TriageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(runtimes.table(exported.rows))
    typer.echo(f"{out} holds {exported.manifest.name} {exported.manifest.version}.")


if __name__ == "__main__":
    typer.run(main)
