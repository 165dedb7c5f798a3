"""What the fixed layers give for each variant of each image, kept in the run's folder: an interrupted run goes on."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pipelines.augment import changed
from pipelines.cohort import Case, cohort_sha256, label_matrix
from pipelines.fit import Images, trunk_of
from pipelines.recipe import Recipe, made_by, start_sha256
from pipelines.task import Task
from triage.models.networks import MapNetwork
from triage.models.prepare import prepare

Ticked = Callable[[int], None]
"""Told how many more images have been seen."""
BATCH = 16


@dataclass(frozen=True)
class Kept:
    """The files of a run's variants, two for each; one is complete once the second is there."""

    folder: Path

    def activations(self, number: int) -> Path:
        """(images, c, h, w) float16."""
        return self.folder / f"activations_{number}.npy"

    def labels(self, number: int) -> Path:
        """(images, findings) float32."""
        return self.folder / f"labels_{number}.npy"

    def claim(self, key: str) -> None:
        """Leaves only variants that were made from what `key` says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made_from = self.folder / "made_from.txt"
        if not made_from.is_file() or made_from.read_text(encoding="utf-8") != key:
            for labels in self.folder.glob("labels_*.npy"):
                labels.unlink()
            made_from.write_text(key, encoding="utf-8")


def gather(
    task: Task,
    cases: Sequence[Case],
    network: MapNetwork,
    recipe: Recipe,
    folder: Path,
    device: str,
    ticked: Ticked = lambda count: None,
) -> Images:
    """Activations of every variant, computed where `folder` does not hold them yet."""
    kept = Kept(folder)
    trunk = trunk_of(network.to(device))
    kept.claim(f"{made_by(recipe)} {cohort_sha256(cases)}{start_sha256(recipe)}")
    labels = label_matrix(cases, tuple(task.targets))
    blank = torch.zeros(1, task.channels, recipe.side, recipe.side, device=device)
    grid = tuple(trunk.early(blank, recipe.fixed_blocks).shape[1:])
    for number in range(recipe.variants):
        if kept.labels(number).is_file():
            ticked(len(cases))
            continue
        part = kept.folder / f"activations_{number}.{os.getpid()}.part"  # another run may read or write the same folder
        activations = open_memmap(part, "w+", np.float16, (len(cases), *grid))
        drawn, start = np.empty_like(labels), 0
        for tensors, found in _variant(task, cases, labels, recipe, number):
            with torch.inference_mode():
                x = torch.from_numpy(tensors).to(device, memory_format=torch.channels_last)
                early = trunk.early(x, recipe.fixed_blocks).to(torch.float16).cpu().contiguous().numpy()
            activations[start : start + len(early)] = early
            drawn[start : start + len(early)] = found
            start += len(early)
            ticked(len(early))
        activations.flush()
        part.replace(kept.activations(number))
        write_whole(kept.labels(number), drawn)
    numbers = range(recipe.variants)
    return Images(
        tuple(np.load(kept.activations(number), mmap_mode="r") for number in numbers),
        np.stack([np.load(kept.labels(number)) for number in numbers]),
        np.array([case.source for case in cases]),
    )


def write_whole(path: Path, values: NDArray[np.float32]) -> None:
    """Complete or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, values)
    part.replace(path)


def _variant(
    task: Task, cases: Sequence[Case], labels: NDArray[np.float32], recipe: Recipe, number: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Prepared tensors (n, channels, side, side) and labels (n, findings) of one variant, batch by batch.

    Number 0 is each image as it is.
    """
    spec, random = task.prepare(recipe.side), np.random.default_rng([recipe.seed, number])
    for start in range(0, len(cases), BATCH):
        tensors, found = [], labels[start : start + BATCH].copy()
        for place, case in enumerate(cases[start : start + BATCH]):
            grey = task.grey(case.image)
            if number:
                if task.paint is not None and (found[place] == 0).all() and random.random() < recipe.painted:
                    painted = task.paint(grey, random)
                    if painted is not None:
                        grey, found[place] = painted[0], [painted[1][name] for name in task.targets]
                grey = changed(grey, recipe.augment, random)
            tensors.append(prepare(task.dressed(grey), spec).tensor)
        yield np.stack(tensors), found
