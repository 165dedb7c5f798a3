"""Times the path of a study on this machine against the textbook's way: `python -m pipelines.benchmark`.

Each figure is a median over rounds; both ways are run in turn within each round, so that a busy machine slows both.
What is printed is Markdown; docs/benchmark.md keeps a copy.
"""

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.uid import generate_uid

from data_schemas.study import StoredInstance, StudyToScreen
from data_schemas.urgency import Level
from pipelines import page_image, page_list, page_upload, series_times
from pipelines.encode import SYNTAXES, with_pixels
from pipelines.in_turn import in_turn
from triage.images.decode import decode
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header
from triage.models.bundle import Bundle, load_bundle
from triage.models.prepare import needed_px, prepare
from triage.phantoms.chest import BITS, PHANTOMS, as_dicom, draw
from triage.screening import screen
from triage.settings import SHIPPED_BUNDLES

ROWS, COLUMNS = 2500, 2048
MIB = 2**20


@dataclass(frozen=True)
class Pair:
    """Medians of two ways of doing the same, in milliseconds."""

    textbook_ms: float
    triage_ms: float

    @property
    def ratio(self) -> float:
        """How many times faster."""
        return self.textbook_ms / self.triage_ms


def film(seed: int = 0) -> NDArray[np.uint16]:
    """A drawn chest of 2,500 x 2,048 pixels, 12 bits, with sensor noise, so that it packs about as well as a film."""
    small = draw(PHANTOMS[seed % 7])
    large = cv2.resize(small, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    noisy = large + np.random.default_rng(seed).normal(0, 9, large.shape)
    values: NDArray[np.uint16] = np.clip(np.rint(noisy), 0, 2**BITS - 1).astype(np.uint16)
    return values


def write_films(folder: Path) -> dict[str, Path]:
    """The same film in every syntax, by the name people use."""
    values, paths = film(), {}
    for name, syntax in SYNTAXES.items():
        dataset = with_pixels(as_dicom(PHANTOMS[0], values), values, BITS, syntax)
        dataset.SOPInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
        paths[name] = folder / f"{name.replace(' ', '-')}.dcm"
        dcmwrite(paths[name], dataset, enforce_file_format=True)
    return paths


def request(path: Path) -> StudyToScreen:
    """What the worker would hand over."""
    study, header = read_header(path)
    instance = StoredInstance(
        header=header, sha256="0" * 64, size_bytes=path.stat().st_size, path=path, received_at=datetime.now(UTC)
    )
    return StudyToScreen(study=study, ordered_priority=Level.ROUTINE, instances=(instance,))


def open_gates(bundle: Bundle) -> Bundle:
    """The bundle with a distribution gate that lets drawn films pass: what is timed must be the whole path."""
    from dataclasses import replace

    wide = bundle.manifest.ood.model_copy(update={"threshold": 1e30})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"ood": wide}))


def densenet_like(bundle: Bundle, folder: Path) -> Path:
    """A DenseNet-121 of random weights with the shipped bundle's findings and preparation, to compare speed only."""
    import torch

    from triage.models import ood
    from triage.models.bundle_files import write_bundle
    from triage.models.evidence import unmeasured
    from triage.models.networks import build_for

    none = unmeasured("random weights")
    manifest = bundle.manifest.model_copy(
        update={
            "name": "densenet121",
            "network": bundle.manifest.network.model_copy(update={"name": "densenet121", "arguments": {}}),
            "prepare": bundle.manifest.prepare.model_copy(update={"height": 224, "width": 224}),
            "findings": tuple(finding.model_copy(update={"evidence": none}) for finding in bundle.manifest.findings),
        }
    )
    torch.manual_seed(0)
    network = build_for(manifest).eval()
    features = np.random.default_rng(0).normal(size=(16, 1024)).astype(np.float32)
    write_bundle(folder / "densenet121", manifest, network, ood.fit(features, np.arange(16) % 2, directions=4))
    return folder / "densenet121"


def whole_path(bundle: Bundle, films: Mapping[str, Path], pool: DecodePool, rounds: int) -> Iterator[str]:
    """Rows: bytes to score and map, by syntax; the stages of ours; all maps on both sides; percentiles on both."""
    from pipelines.textbook import Textbook

    network, layer, spec = bundle.network(), bundle.manifest.network.map_layer, bundle.manifest.prepare
    textbook = Textbook(network, layer, spec)
    with_percentiles = Textbook(network, layer, spec, percentiles=True)
    yield "| syntax | textbook ms | triage ms | ratio | ratio, all maps | of triage: read, prepare, score, maps ms |"
    yield "|---|---|---|---|---|---|"
    for name, path in films.items():
        study = request(path)
        found = in_turn(
            {
                "textbook": lambda path=path: textbook.study(path),  # type: ignore[misc]
                "triage": lambda study=study: screen(study, [bundle], pool),  # type: ignore[misc]
                "all maps": lambda path=path: textbook.study(path, all_maps=True),  # type: ignore[misc]
            },
            rounds,
        )
        stages = [screen(study, [bundle], pool)[0].seconds for _ in range(rounds)]
        parts = [1000 * median(s[part] for s in stages) for part in ("read", "prepare", "score", "explain")]
        pair = Pair(found["textbook"], found["triage"])
        yield (
            f"| {name} | {pair.textbook_ms:.0f} | {pair.triage_ms:.0f} | {pair.ratio:.1f} | "
            f"{found['all maps'] / found['triage']:.1f} | {', '.join(f'{part:.1f}' for part in parts)} |"
        )
    path, study = films["uncompressed"], request(films["uncompressed"])
    found = in_turn(
        {"textbook": lambda: with_percentiles.study(path), "triage": lambda: screen(study, [bundle], pool)}, rounds
    )
    yield ""
    yield (
        f"With percentile scaling on both sides, uncompressed: {found['textbook']:.0f} ms against "
        f"{found['triage']:.0f} ms, {found['textbook'] / found['triage']:.1f} times."
    )
    difference = score_difference(bundle, path)
    yield f"Largest difference of a logit between eager torch and the scoring runtime: {difference:.1e}."


def score_difference(bundle: Bundle, path: Path) -> float:
    """Between eager torch and the runtime on the same prepared tensor."""
    import torch

    tensor = prepare(decode(path, read_header(path)[1]), bundle.manifest.prepare).tensor[None]
    with torch.no_grad():
        eager = bundle.network()(torch.from_numpy(tensor))[0].numpy()
    return float(np.abs(eager - bundle.score(tensor).logits).max())


def mixed_batch(bundle: Bundle, films: Mapping[str, Path], pool: DecodePool, rounds: int) -> str:
    """Every syntax twice: ours in two threads, so that decoding and scoring overlap."""
    from pipelines.textbook import Textbook

    paths = [*films.values()] * 2
    textbook = Textbook(bundle.network(), bundle.manifest.network.map_layer, bundle.manifest.prepare)
    studies = [request(path) for path in paths]

    def ours() -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda study: screen(study, [bundle], pool), studies))

    found = in_turn({"textbook": lambda: [textbook.study(path) for path in paths], "triage": ours}, max(rounds // 2, 1))
    pair = Pair(found["textbook"], found["triage"])
    times = f"{pair.textbook_ms:.0f} ms against {pair.triage_ms:.0f} ms, {pair.ratio:.1f} times"
    return f"{len(paths)} studies of mixed syntaxes: {times}."


def child_process(films: Mapping[str, Path], pool: DecodePool, rounds: int) -> Iterator[str]:
    """What decoding in a child costs beside decoding here."""
    yield "| syntax | decoded here ms | in a child ms | more |"
    yield "|---|---|---|---|"
    for name, path in films.items():
        if name == "uncompressed":
            continue
        header = read_header(path)[1]
        found = in_turn(
            {
                "here": lambda path=path, header=header: decode(path, header),  # type: ignore[misc]
                "child": lambda path=path, header=header: pool.read(path, header),  # type: ignore[misc]
            },
            rounds,
        )
        more = 100 * (found["child"] / found["here"] - 1)
        yield f"| {name} | {found['here']:.1f} | {found['child']:.1f} | {more:.0f} % |"


def reduced_reads(bundle: Bundle, path: Path) -> str:
    """How far a reduced JPEG 2000 read moves the scores."""
    header = read_header(path)[1]
    spec = bundle.manifest.prepare
    full, reduced = decode(path, header), decode(path, header, at_least_px=needed_px(spec))
    logits = [bundle.score(prepare(pixels, spec).tensor[None]).logits for pixels in (full, reduced)]
    factor = full.values.shape[0] // reduced.values.shape[0]
    return f"JPEG 2000 read at 1/{factor}: a logit moves by {np.abs(logits[0] - logits[1]).max():.4f} at the most."


def cold_start(path: Path, bundles: Path, rounds: int) -> str:
    """A fresh process on a fresh home: `triage screen` of one file until it has answered."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        times = []
        for number in range(rounds + 1):
            home = Path(folder) / str(number)
            home.mkdir()
            cache.mkdir(exist_ok=True)
            (home / "cache").symlink_to(cache, target_is_directory=True)
            command = [sys.executable, "-m", "triage", "screen", str(path), "--json", "--home", str(home)]
            start = perf_counter()
            subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TRIAGE_BUNDLES": str(bundles)})
            if number:  # the first builds the runtime's file
                times.append(perf_counter() - start)
    return f"Cold start of `triage screen` to its answer: {median(times):.2f} s."


def on_gpu(bundle_folder: Path, cache: Path, films: Mapping[str, Path], rounds: int) -> Iterator[str]:
    """Images a second against batch size, the bare network beside ours, and the share of time spent decoding."""
    import torch

    bundle = load_bundle(bundle_folder, cache, "torch", "cuda")
    spec = bundle.manifest.prepare
    bare: Any = bundle.network()
    bare = bare.to("cuda", torch.bfloat16, memory_format=torch.channels_last)
    yield "| batch | bare network images/s | triage images/s | share |"
    yield "|---|---|---|---|"
    for size in (1, 8, 16, 32, 64, 128):
        batch = np.random.default_rng(0).normal(size=(size, spec.channels, spec.height, spec.width)).astype(np.float32)
        on_device = torch.from_numpy(batch).to("cuda", torch.bfloat16).contiguous(memory_format=torch.channels_last)

        def alone(x: torch.Tensor = on_device) -> None:
            with torch.inference_mode():
                bare(x)
            torch.cuda.synchronize()

        found = in_turn({"bare": alone, "triage": lambda batch=batch: bundle.score(batch)}, 5 * rounds)  # type: ignore[misc]
        speeds = {name: 1000 * size / ms for name, ms in found.items()}
        part = 100 * speeds["triage"] / speeds["bare"]
        yield f"| {size} | {speeds['bare']:.0f} | {speeds['triage']:.0f} | {part:.0f} % |"
    with DecodePool(processes=os.cpu_count() or 2, seconds=60, memory_bytes=2048 * MIB) as pool:
        stages = [screen(request(path), [open_gates(bundle)], pool)[0].seconds for path in films.values()]
    share = sum(s["read"] for s in stages) / sum(s["total"] for s in stages)
    yield ""
    yield f"{torch.cuda.get_device_name()}. Decoding is {100 * share:.0f} % of the path, one study after the other."


def machine() -> str:
    """What the figures were made on."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {today}"


def report(bundle_folder: Path, rounds: int, device: str, networks: Sequence[str]) -> Iterator[str]:
    """The whole report, line by line."""
    yield f"Measured with `python -m pipelines.benchmark` on {machine()}; films of {ROWS:,} x {COLUMNS:,}, 12 bits."
    with tempfile.TemporaryDirectory() as name, DecodePool(2, 60, 2048 * MIB) as pool:
        folder = Path(name)
        films, cache = write_films(folder), folder / "cache"
        if device == "cuda":
            yield from on_gpu(bundle_folder, cache, films, rounds)
            return
        shipped = open_gates(load_bundle(bundle_folder, cache, "onnx"))
        for network in networks:
            bundle = shipped
            if network == "densenet121":
                bundle = open_gates(load_bundle(densenet_like(shipped, folder), cache, "onnx"))
            size = f"{bundle.manifest.prepare.height} x {bundle.manifest.prepare.width}"
            yield f"\n## Whole path, {bundle.manifest.network.name} at {size}\n"
            yield from whole_path(bundle, films, pool, rounds)
            yield mixed_batch(bundle, films, pool, rounds)
        yield "\n## The child process\n"
        yield from child_process(films, pool, rounds)
        yield ""
        yield reduced_reads(shipped, films["JPEG 2000"])
        yield cold_start(films["uncompressed"], bundle_folder.parent, rounds)


def main(
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle to time.")] = SHIPPED_BUNDLES / "cxr",
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is run.")] = 7,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    network: Annotated[list[str] | None, typer.Option(help="shipped, densenet121; both by default.")] = None,
    page: Annotated[bool, typer.Option("--page", help="Time the page instead: list, image and upload.")] = False,
    series: Annotated[bool, typer.Option("--series", help="Time series of slices instead.")] = False,
) -> None:
    """Print how long the path of a study takes here, and how long the textbook's way takes."""
    if series:
        for line in series_times.lines():
            typer.echo(line)
        return
    if page:
        for part in (page_list.lines(), page_image.lines(), page_upload.lines()):
            for line in (*part, ""):
                typer.echo(line)
        return
    for line in report(bundle, rounds, device, network or ["shipped", "densenet121"]):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
