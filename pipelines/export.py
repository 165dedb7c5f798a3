"""`python -m pipelines.export --run RUN --out DIR`: what training left becomes a bundle that every runtime agrees on.

The run's folder holds it as `bundle/`, with evaluation.json and CARD.md.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from safetensors import SafetensorError

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError, TriageError
from pipelines import runtimes
from pipelines.card import CARD
from pipelines.monai_check import run_in_monai, verify_metadata
from pipelines.run_folder import BUNDLE
from pipelines.take_in_model import read_images
from pipelines.whole_folder import bundle_folder
from triage.images.pixels import picture
from triage.models.bundle import (
    TOLERANCE,
    load_bundle,
    read_checked,
    read_manifest,
    read_test_vector,
    verify_bundle,
)
from triage.models.bundle_files import write_bundle
from triage.models.calibration import finding_scores
from triage.models.evidence import EVALUATION, check_evidence
from triage.models.networks import MapNetwork
from triage.models.ood import Statistics, read_statistics
from triage.models.prepare import prepare
from triage.models.runtime_torch import network_from

RUNTIMES = "runtimes.json"
INT8 = "edge/int8.onnx"


@dataclass(frozen=True)
class Trained:
    """What training left."""

    folder: Path
    manifest: BundleManifest
    network: MapNetwork
    statistics: Statistics


def read_trained(run: Path) -> Trained:
    """The bundle of a run's folder. Raises TriageError naming the file that is missing or not what it should be."""
    folder = run / BUNDLE
    manifest = read_manifest(folder)
    check_evidence(folder, manifest)
    network = network_from(manifest, read_checked(folder, manifest.network.weights, manifest.network.weights_sha256))
    content = read_checked(folder, manifest.ood.statistics, manifest.ood.statistics_sha256)
    try:
        return Trained(folder, manifest, network, read_statistics(content))
    except (SafetensorError, KeyError, ValueError) as error:
        raise TriageError(f"{run.name}: {manifest.ood.statistics} cannot be used: {error}.") from error


def require_finished(folder: Path) -> None:
    """Raises TriageError for a run that was stopped before its evidence and card were complete."""
    if not (folder / CARD).is_file():
        raise TriageError(f"{folder} has no {CARD}: the run was stopped before its end; start it again, it goes on")


@dataclass(frozen=True)
class Exported:
    """The bundle's manifest and its runtimes side by side."""

    manifest: BundleManifest
    rows: list[runtimes.Row]


def export(
    run: Path, out: Path, images: Path | None = None, schema: Path | None = None, *, int8: bool = False
) -> Exported:
    """Write and verify the bundle; it appears at `out` only when every check has passed. Raises TriageError.

    `images` are what runtimes are compared on (DICOM, PNG or JPEG of the kind; without them, the test vector);
    `schema` is MONAI's metadata schema, where a file of it is at hand.
    """
    trained = read_trained(run)
    require_finished(trained.folder)
    spec = trained.manifest.prepare
    inputs = read_images(images, spec) if images is not None else None
    if int8 and inputs is None:
        raise TriageError("8-bit weights need images of the kind to calibrate on; name their folder with --images.")
    with bundle_folder(out) as part, tempfile.TemporaryDirectory() as cache:
        example = None if inputs is None else inputs[:2]
        manifest = write_bundle(part, trained.manifest, trained.network, trained.statistics, example)
        for name in (EVALUATION, CARD):
            if (trained.folder / name).is_file():
                shutil.copyfile(trained.folder / name, part / name)
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
    run: Annotated[Path, typer.Option(help="Folder of a finished training run.")],
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
