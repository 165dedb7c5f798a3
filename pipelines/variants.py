"""What the fixed layers give for each variant of each image, kept in the run's folder: an interrupted run goes on."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pipelines.augment import changed
from pipelines.cohort import Case, cohort_sha256, label_matrix
from pipelines.fit import Images, Tail, tail_outputs, trunk_of
from pipelines.recipe import Recipe, made_by
from pipelines.task import Task
from triage.models.networks import MapNetwork
from triage.models.prepare import prepare

Ticked = Callable[[int], None]
"""Told how many more images have been seen."""
BATCH = 16


@dataclass(frozen=True)
class Kept:
    """The files of one run's variants."""

    folder: Path

    @property
    def activations(self) -> Path:
        """(variants, images, c, h, w) float16."""
        return self.folder / "activations.npy"

    @property
    def labels(self) -> Path:
        """(variants, images, findings) float32."""
        return self.folder / "labels.npy"

    @property
    def state(self) -> Path:
        """What they are made from, and how many variants are complete."""
        return self.folder / "variants.json"

    def done(self, key: str) -> int:
        """Complete variants that were made from the same things."""
        if not self.state.is_file():
            return 0
        state = json.loads(self.state.read_text(encoding="utf-8"))
        return int(state["done"]) if state["key"] == key else 0

    def tell(self, key: str, done: int) -> None:
        """Sets down how many are complete, after their data."""
        part = self.state.with_suffix(".part")
        part.write_text(json.dumps({"key": key, "done": done}), encoding="utf-8")
        part.replace(self.state)


def gather(
    task: Task,
    cases: Sequence[Case],
    network: MapNetwork,
    recipe: Recipe,
    folder: Path,
    device: str,
    ticked: Ticked = lambda count: None,
) -> Images:
    """Activations of every variant, computed where `folder` does not hold them yet, and the features they give."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder)
    trunk = trunk_of(network.to(device))
    key = f"{made_by(recipe).model_dump_json()} {cohort_sha256(cases)}"
    done = kept.done(key)
    labels = label_matrix(cases, tuple(task.targets))
    blank = torch.zeros(1, task.channels, recipe.side, recipe.side, device=device)
    grid = tuple(trunk.early(blank, recipe.fixed_blocks).shape[1:])
    activations, drawn = _opened(kept, (recipe.variants, len(cases)), grid, len(task.targets), anew=not done)
    ticked(done * len(cases))
    for number in range(done, recipe.variants):
        start = 0
        for tensors, found in _variant(task, cases, labels, recipe, number):
            with torch.inference_mode():
                x = torch.from_numpy(tensors).to(device, memory_format=torch.channels_last)
                early = trunk.early(x, recipe.fixed_blocks).to(torch.float16).cpu().contiguous().numpy()
            activations[number, start : start + len(early)] = early
            drawn[number, start : start + len(early)] = found
            start += len(early)
            ticked(len(early))
        activations.flush()
        drawn.flush()
        kept.tell(key, number + 1)
    images = Images(activations, drawn, np.zeros((0, 0, 0), np.float32))
    tail, rows = Tail(network, recipe.fixed_blocks).eval(), np.arange(len(cases))
    features = [tail_outputs(tail, images, rows, number, recipe.batch, device)[1] for number in range(recipe.variants)]
    return replace(images, features=np.stack(features))


def _opened(
    kept: Kept, count: tuple[int, int], grid: tuple[int, ...], findings: int, *, anew: bool
) -> tuple[np.memmap[Any, np.dtype[np.float16]], np.memmap[Any, np.dtype[np.float32]]]:
    """Activations and labels, in new files or in those that are there."""
    if anew:
        return (
            open_memmap(kept.activations, "w+", np.float16, (*count, *grid)),
            open_memmap(kept.labels, "w+", np.float32, (*count, findings)),
        )
    return open_memmap(kept.activations, "r+"), open_memmap(kept.labels, "r+")


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
