"""One network through every runtime: what each answers, how large its file is, how long it takes; 8-bit weights too."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest
from data_schemas.errors import TriageError
from triage.models.bundle import RawScores, Score, load_bundle
from triage.models.calibration import finding_scores

ROUNDS = 10
FEWEST_IMAGES = 16
"""Half of them calibrate the 8-bit network, half show what it loses."""
FLOAT_PART = 5
"""The first fifth of the convolutions stays in float32: what they lose, all behind them lose, and they weigh nearly
nothing."""
Batch = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """A runtime against torch in float32, over the images that measure."""

    runtime: str
    megabytes: float
    ms: float
    """Median of one image, one thread."""
    largest_logit_difference: float
    largest_probability_difference: float
    changed_calls: float
    """Share of (image, finding) that lie on the other side of the operating point."""
    images: int


def compare(directory: Path, cache: Path, batch: Batch) -> list[Row]:
    """torch and ONNX Runtime in float32 on the inputs (n, channels, height, width). Raises BundleError."""
    torch = load_bundle(directory, cache, "torch", threads=1)
    onnx = load_bundle(directory, cache, "onnx", threads=1)
    manifest, weights = torch.manifest, directory / torch.manifest.network.weights
    reference = _calls(manifest, torch.score(batch))
    return [
        _row("torch float32", weights, torch.score, manifest, batch, reference),
        _row("ONNX float32", onnx_file(cache), onnx.score, manifest, batch, reference),
    ]


@dataclass(frozen=True)
class Calls:
    """Logits, probabilities and which of them act, (n, findings) each."""

    logits: Batch
    probabilities: NDArray[np.float64]
    acts: NDArray[np.bool_]


def _calls(manifest: BundleManifest, scores: RawScores) -> Calls:
    found = [finding_scores(manifest, row) for row in scores.logits]
    return Calls(
        logits=scores.logits,
        probabilities=np.array([[one.probability for one in row] for row in found]),
        acts=np.array([[one.positive for one in row] for row in found]),
    )


def _row(name: str, file: Path, score: Score, manifest: BundleManifest, batch: Batch, reference: Calls) -> Row:
    found = _calls(manifest, score(batch))
    times = []
    for round_ in range(ROUNDS):
        start = perf_counter()
        score(batch[round_ % len(batch)][None])
        times.append(1000 * (perf_counter() - start))
    return Row(
        runtime=name,
        megabytes=round(file.stat().st_size / 1e6, 2),
        ms=round(median(times), 2),
        largest_logit_difference=float(np.abs(found.logits - reference.logits).max()),
        largest_probability_difference=float(np.abs(found.probabilities - reference.probabilities).max()),
        changed_calls=float((found.acts != reference.acts).mean()),
        images=len(batch),
    )


def onnx_file(cache: Path) -> Path:
    """The one ONNX file of a cache that served one bundle."""
    (path,) = cache.glob("*.onnx")
    return path


def to_int8(float32: Path, target: Path, calibration: Batch) -> None:
    """Write the network with 8-bit weights and activations, whose ranges the inputs (n, ...) show; the first
    convolutions stay as they are.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
        """One image at a time, as the quantiser asks for them."""

        def __init__(self) -> None:
            self.left = iter(calibration)

        def get_next(self) -> dict[str, Batch] | None:
            image = next(self.left, None)
            return None if image is None else {"input": image[None]}

    convolutions = [node.name for node in onnx.load(str(float32)).graph.node if node.op_type == "Conv"]
    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(
            str(float32),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv", "MatMul"],
            nodes_to_exclude=convolutions[: len(convolutions) // FLOAT_PART],
        )


def compare_int8(directory: Path, cache: Path, batch: Batch, target: Path) -> list[Row]:
    """As compare, and the 8-bit network, calibrated on every other image and measured, as all, on the rest.

    Raises TriageError for too few images.
    """
    if len(batch) < FEWEST_IMAGES:
        raise TriageError(
            f"{len(batch)} images are too few to calibrate 8-bit weights and to measure what they lose; "
            f"name a folder of at least {FEWEST_IMAGES} with --images."
        )
    calibration, measured = batch[::2], batch[1::2]
    rows = compare(directory, cache, measured)
    to_int8(onnx_file(cache), target, calibration)
    bundle = load_bundle(directory, cache, "torch", threads=1)
    reference = _calls(bundle.manifest, bundle.score(measured))
    return [*rows, _row("ONNX int8", target, opened(target), bundle.manifest, measured, reference)]


def opened(path: Path) -> Callable[[Batch], RawScores]:
    """A function that scores through an ONNX file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda batch: RawScores(*session.run(["logits", "maps", "features"], {"input": batch}))


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| runtime | MB | ms an image | largest difference of a logit | of a probability | calls changed |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.runtime} | {row.megabytes:.1f} | {row.ms:.1f} | {row.largest_logit_difference:.1e} | "
        f"{row.largest_probability_difference:.1e} | {100 * row.changed_calls:.1f} % |"
        for row in rows
    ]
    return "\n".join(lines)


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as plain values."""
    return [asdict(row) for row in rows]
