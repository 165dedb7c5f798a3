"""One network through every runtime: what each answers, how large its file is, how long it takes; 8-bit weights too."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest
from data_schemas.errors import TriageError
from pipelines.in_turn import in_turn
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
    """Median of one image, one thread, the runtimes in turn."""
    largest_logit_difference: float
    largest_probability_difference: float
    changed_calls: float
    """Share of (image, finding) that lie on the other side of the operating point."""
    images: int


def compare(directory: Path, cache: Path, batch: Batch) -> list[Row]:
    """torch and ONNX Runtime in float32 on the inputs (n, channels, height, width). Raises BundleError."""
    return _rows(*_float_ways(directory, cache), batch)


def _float_ways(directory: Path, cache: Path) -> tuple[BundleManifest, dict[str, tuple[Path, Score]]]:
    torch = load_bundle(directory, cache, "torch", threads=1)
    onnx = load_bundle(directory, cache, "onnx", threads=1)
    weights = directory / torch.manifest.network.weights
    return torch.manifest, {
        "torch float32": (weights, torch.score),
        "ONNX float32": (onnx_file(cache), onnx.score),
    }


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


def _rows(manifest: BundleManifest, ways: Mapping[str, tuple[Path, Score]], batch: Batch) -> list[Row]:
    """Each against the first."""
    times = in_turn({name: partial(score, batch[:1]) for name, (_, score) in ways.items()}, ROUNDS)
    found = {name: _calls(manifest, score(batch)) for name, (_, score) in ways.items()}
    reference = next(iter(found.values()))
    return [
        Row(
            runtime=name,
            megabytes=round(ways[name][0].stat().st_size / 1e6, 2),
            ms=round(times[name], 2),
            largest_logit_difference=float(np.abs(calls.logits - reference.logits).max()),
            largest_probability_difference=float(np.abs(calls.probabilities - reference.probabilities).max()),
            changed_calls=float((calls.acts != reference.acts).mean()),
            images=len(batch),
        )
        for name, calls in found.items()
    ]


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
    """As compare, and the 8-bit network, calibrated on the first half of the images and measured, as all, on the rest.

    Raises TriageError for too few images.
    """
    if len(batch) < FEWEST_IMAGES:
        raise TriageError(
            f"{len(batch)} images are too few to calibrate 8-bit weights and to measure what they lose; "
            f"name a folder of at least {FEWEST_IMAGES} with --images."
        )
    half = len(batch) // 2  # by name, so that pictures of one patient, which are named alike, are on one side
    calibration, measured = batch[:half], batch[half:]
    manifest, ways = _float_ways(directory, cache)
    to_int8(onnx_file(cache), target, calibration)
    return _rows(manifest, {**ways, "ONNX int8": (target, opened(target))}, measured)


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
