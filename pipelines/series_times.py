"""What a series costs: against MONAI's own chain, in memory, and on the page from wheel to picture."""

import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite

from data_schemas.study import StoredInstance, StudyToScreen
from data_schemas.urgency import Level
from pipelines.in_turn import in_turn
from pipelines.page_list import serving
from triage.assembly import intake_limits, open_site
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header
from triage.intake.take_in import Sender, take_in
from triage.models.bundle import Bundle, load_bundle
from triage.phantoms import head
from triage.screening import screen
from triage.series_screening import all_series, empty_batch, prepared_slices
from triage.settings import SHIPPED_BUNDLES, load_settings

SIDE = 512
DRAWN_SIDE = 384
"""As the demo's heads: with the grain of 512 the distribution gate takes a drawn head for a stranger."""
BATCH = 16
SLICES = (34, 300)
LONGEST = 1500
THINNEST_MM = 0.5
MIB = 2**20
WHEELS = 60
FIRST_IMAGES = 7
"""How often the page is opened."""
SCROLLED = """(steps) => new Promise((done) => {
    const hosts = [...document.querySelectorAll("*")].filter((node) => node.shadowRoot);
    const root = hosts.find((node) => node.shadowRoot.querySelector(".stage")).shadowRoot.querySelector(".root");
    const canvas = root.querySelector(".stage canvas");
    const { stage } = root.instance;
    const times = [];
    const turn = () => {
        if (times.length === steps) return done(times);
        const begun = performance.now();
        const before = stage.frame;
        const deltaY = times.length % 40 < 20 ? 120 : -120;
        canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, cancelable: true, bubbles: true }));
        const look = () => {
            if (stage.frame === before) return requestAnimationFrame(look);
            requestAnimationFrame(() => {
                times.push(performance.now() - begun);
                setTimeout(turn, 5);
            });
        };
        requestAnimationFrame(look);
    };
    turn();
})"""


def lines(slices: tuple[int, ...] = SLICES, longest: int = LONGEST, rounds: int = 5) -> Iterator[str]:
    """Tables in Markdown."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        bundle = load_bundle(SHIPPED_BUNDLES / "head_ct", folder / "cache", "onnx", threads=2)
        side = bundle.manifest.prepare.width
        yield f"### A head CT of {SIDE} x {SIDE} to three windows of {side} x {side} (medians of {rounds}, in turn)"
        yield ""
        yield (
            "| slices | MONAI ms | triage ms | ratio | with headers ms | ratio | mean difference "
            "| study: MONAI ms | triage ms | ratio |"
        )
        yield "|---|---|---|---|---|---|---|---|---|---|"
        for count in slices:
            yield against_monai(bundle, written(folder / str(count), count), rounds if count < 100 else 3)
        yield ""
        yield "Triage reads a header once, when a file arrives; screening begins from the store. The second time and"
        yield "ratio count the reading of headers too, as MONAI's load does."
        yield "Windows run from 0 to 1. MONAI's area mode averages whole pixels, ours parts of them too; they agree"
        yield "where one side is a multiple of the other."
        yield ""
        many = written(folder / "many", longest)
        yield f"Memory of the process that screens {longest:,} slices: {peak_mib(many):,.0f} MiB at its peak."
        yield ""
        yield from page_lines(folder, written(folder / "page", max(slices)))


def written(folder: Path, count: int) -> list[Path]:
    """A drawn head of that many slices."""
    folder.mkdir(parents=True)
    body = head.Head(slices=count, side=SIDE)
    drawn = head.draw_head(head.Head(slices=min(count, 60), side=DRAWN_SIDE, seed=1))
    few = np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR) for one in drawn])
    places = np.linspace(0, len(few) - 1, count).round().astype(int)
    gap, paths = round(max(body.gap_mm, THINNEST_MM), 4), []
    for place, dataset in enumerate(head.as_dicom(body, few[places], f"BENCHMARK-{count}", 1, "head CT")):
        paths.append(folder / f"{place:04}.dcm")
        dataset.SliceThickness = gap
        dataset.ImagePositionPatient[2] = round(gap * place, 4)
        dcmwrite(paths[-1], dataset, enforce_file_format=True)
    return paths


def study_of(paths: list[Path]) -> StudyToScreen:
    """The files as the store would give them."""
    read = [read_header(path) for path in paths]
    now = datetime.now(UTC)
    instances = tuple(
        StoredInstance(header=header, sha256=path.name, size_bytes=1, path=path, received_at=now)
        for path, (_, header) in zip(paths, read, strict=True)
    )
    return StudyToScreen(study=read[0][0], ordered_priority=Level.ROUTINE, instances=instances)


def against_monai(bundle: Bundle, paths: list[Path], rounds: int) -> str:
    """One row."""
    textbook = MonaiSeries(bundle, len(paths))
    with DecodePool(processes=1, seconds=60.0, memory_bytes=2048 * MIB) as pool:
        study = study_of(paths)

        def ours() -> None:
            """From the store, through the memory of one batch, as a study is screened."""
            prepared(study, bundle, pool, BATCH)

        def with_headers() -> None:
            """From the files."""
            prepared(study_of(paths), bundle, pool, BATCH)

        ways = {"theirs": lambda: textbook.prepare(paths[0].parent), "ours": ours, "with headers": with_headers}
        load = in_turn(ways, rounds)
        apart = np.abs(textbook.prepare(paths[0].parent) - prepared(study_of(paths), bundle, pool, len(paths)))
        whole = in_turn(
            {"theirs": lambda: textbook.study(paths[0].parent), "ours": lambda: screen(study, [bundle], pool)},
            max(rounds - 2, 1),
        )
    std = bundle.manifest.prepare.std
    cells = (
        f"{len(paths)}",
        f"{load['theirs']:.0f}",
        f"{load['ours']:.0f}",
        f"{load['theirs'] / load['ours']:.1f}",
        f"{load['with headers']:.0f}",
        f"{load['theirs'] / load['with headers']:.1f}",
        f"{float(apart.mean()) * std:.4f}",
        f"{whole['theirs']:.0f}",
        f"{whole['ours']:.0f}",
        f"{whole['theirs'] / whole['ours']:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def prepared(study: StudyToScreen, bundle: Bundle, pool: DecodePool, size: int) -> NDArray[np.float32]:
    """Headers, pixels and windows of every slice: the last `size` of them, (size, windows, side, side)."""
    [series] = all_series(study.study, study.instances, bundle)
    tensors = empty_batch(series, size)
    for _, _, found in prepared_slices(series, pool, tensors):
        if isinstance(found, Exception):
            raise found
    return tensors


class MonaiSeries:
    """The textbook: LoadImaged with PydicomReader, EnsureChannelFirstd, Resized (area), a ScaleIntensityRanged for each
    window, ConcatItemsd; the network in eager float32 by batches; Captum's LayerGradCam of the top finding.
    """

    def __init__(self, bundle: Bundle, slices: int) -> None:
        from captum.attr import LayerGradCam
        from monai.data import PydicomReader
        from monai.transforms import (
            Compose,
            ConcatItemsd,
            CopyItemsd,
            EnsureChannelFirstd,
            LoadImaged,
            Resized,
            ScaleIntensityRanged,
        )

        self.spec = bundle.manifest.prepare
        self.network = bundle.network().eval()
        layer = self.network.get_submodule(bundle.manifest.network.map_layer)
        self.gradcam = LayerGradCam(lambda x: self.network(x)[0], layer)
        names = [f"window {number}" for number in range(len(self.spec.windows))]
        scales = [
            ScaleIntensityRanged(name, center - width / 2, center + width / 2, 0.0, 1.0, clip=True)
            for name, (center, width) in zip(names, self.spec.windows, strict=True)
        ]
        copies = [CopyItemsd("image", 1, name) for name in names]
        size = (self.spec.width, self.spec.height, slices)
        self.chain = Compose(
            [
                LoadImaged("image", reader=PydicomReader),
                EnsureChannelFirstd("image"),
                Resized("image", size, mode="area"),
                *copies,
                *scales,
                ConcatItemsd(names, "image"),
            ]
        )

    def prepare(self, folder: Path) -> NDArray[np.float32]:
        """(slices, windows, side, side)."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Any = self.chain({"image": str(folder)})["image"]
        slices: NDArray[np.float32] = np.asarray(found).transpose(3, 0, 2, 1)  # columns come first there
        return np.ascontiguousarray((slices - self.spec.mean) / self.spec.std, np.float32)

    def study(self, folder: Path) -> None:
        """Scores and the map of the top finding on every slice."""
        import torch

        tensors = torch.from_numpy(self.prepare(folder))
        for first in range(0, len(tensors), BATCH):
            batch = tensors[first : first + BATCH]
            with torch.no_grad():
                logits = self.network(batch)[0]
            self.gradcam.attribute(batch, target=int(logits.mean(0).argmax()))


def peak_mib(paths: list[Path]) -> float:
    """Of a process of its own that screens the series once."""
    command = [sys.executable, "-m", "pipelines.series_times", str(paths[0].parent)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def screen_once(folder: Path) -> float:
    """Screens the folder; gives the largest memory of this process in MiB."""
    with TemporaryDirectory() as cache, DecodePool(processes=1, seconds=60.0, memory_bytes=2048 * MIB) as pool:
        bundle = load_bundle(SHIPPED_BUNDLES / "head_ct", Path(cache), "onnx", threads=2)
        result, _ = screen(study_of(sorted(folder.glob("*.dcm"))), [bundle], pool)
    if not result.volumes[0].scores:
        raise RuntimeError(result.urgency.reason)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def page_lines(folder: Path, paths: list[Path]) -> Iterator[str]:
    """From the address to the first slice, and from the wheel to its picture."""
    from playwright.sync_api import sync_playwright

    home = folder / "home"
    settings = load_settings(home=home)
    store = open_site(settings)
    sender = Sender(ordered_priority=None, source="benchmark", actor="benchmark")
    for _ in take_in(
        [paths[0].parent], store=store, spool=settings.spool, limits=intake_limits(settings), sender=sender
    ):
        pass
    store.engine.dispose()
    uid = read_header(paths[0])[0].study_instance_uid
    firsts = []
    with serving(home) as page, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(FIRST_IMAGES):
            tab = browser.new_page(viewport={"width": 1440, "height": 900})
            tab.goto(page.entry)
            row = tab.locator(f'tbody tr[data-uid="{uid}"]')
            row.wait_for()
            begun = float(tab.evaluate("performance.timeOrigin + performance.now()"))
            row.click()
            tab.locator(".root[data-slice]").wait_for()
            firsts.append(float(tab.evaluate("performance.timeOrigin + performance.now()")) - begun)
            scrolling = tab.evaluate(SCROLLED, WHEELS)
            if len(firsts) < FIRST_IMAGES:
                tab.close()
        tab.wait_for_timeout(8000)
        settled = tab.evaluate(SCROLLED, WHEELS)
        browser.close()
    yield f"### A series of {len(paths)} slices on the page (Chromium, 1440 x 900)"
    yield ""
    yield "| | median ms | slowest of 20 ms |"
    yield "|---|---|---|"
    for words, times in (
        ("click to first slice", firsts),
        ("wheel to picture, at once", scrolling),
        ("wheel to picture, all slices here", settled),
    ):
        yield f"| {words} | {median(times):.0f} | {float(np.quantile(times, 0.95)):.0f} |"


if __name__ == "__main__":
    cv2.setNumThreads(1)
    sys.stdout.write(f"{screen_once(Path(sys.argv[1]))}\n")
