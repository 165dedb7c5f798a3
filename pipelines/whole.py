"""Trains a whole network, of any name in the table, image by image: what a GPU is for.

Pictures come from a MONAI dataset that keeps them as they are read; each is changed anew in every epoch. Stages may be
set free one after the other, those nearer the image learn more slowly, and the epoch is kept that is best on patients
held back from the training ones.
"""

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset, DataLoader, Dataset, PersistentDataset
from monai.transforms import Compose, RandomizableTransform, Transform
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from data_schemas.errors import TriageError
from pipelines import checkpoint
from pipelines.augment import changed
from pipelines.cohort import Case, label_matrix, patients, set_aside
from pipelines.fit import Rows, Watch
from pipelines.judge import mean_auroc
from pipelines.losses import imbalance_weights, loss_by_name
from pipelines.optimisers import free_from, optimiser_by_name, parameter_groups, stages
from pipelines.recipe import Recipe, Whole
from pipelines.starting_weights import set_starting_weights
from pipelines.task import Grey, Task
from pipelines.units import units_of
from triage.models.networks import MapNetwork, build
from triage.models.prepare import prepare

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Of a batch in memory, by how many sides it has: one that convolutions on a GPU take without turning it."""


class Read(Transform):  # type: ignore[misc]
    """A row of the run to its picture; the part that datasets keep. MONAI hands transforms dictionaries."""

    def __init__(self, read: Callable[[int], Grey]) -> None:
        self.read = read

    def __call__(self, row: int) -> dict[str, Any]:
        """row, grey: 8-bit."""
        return {"row": row, "grey": self.read(row)}


class Change(RandomizableTransform):  # type: ignore[misc]
    """The picture changed as the recipe says: by seed, epoch (or variant) and row, so that neither the order of the
    calls, nor the process that makes them, nor a stop in between makes a difference. A RandomizableTransform, so that
    MONAI's datasets keep what comes before it."""

    def __init__(self, change: Callable[[Grey, np.random.Generator], Grey], seed: int, epoch: int = 0) -> None:
        super().__init__(prob=1.0)
        self.change, self.seed, self.epoch = change, seed, epoch

    def __call__(self, one: dict[str, Any]) -> dict[str, Any]:
        """The same with another grey."""
        random = np.random.default_rng([self.seed, self.epoch, one["row"]])
        return one | {"grey": self.change(np.asarray(one["grey"]), random)}  # kept on disk, it is a tensor


class Prepare(Transform):  # type: ignore[misc]
    """The picture as the network takes it."""

    def __init__(self, prepare: Callable[[Grey], NDArray[np.float32]]) -> None:
        self.prepare = prepare

    def __call__(self, one: dict[str, Any]) -> dict[str, Any]:
        """row, tensor: what one input is."""
        return {"row": one["row"], "tensor": self.prepare(np.asarray(one["grey"]))}


@dataclass(frozen=True)
class WholeNetwork:
    """Fits all layers, or those that are free, to some of the images."""

    task: Task
    cases: Sequence[Case]
    recipe: Recipe
    how: Whole
    device: str
    folder: Path
    """Where a dataset on disk keeps its pictures, and a fit what it needs to go on after a stop."""

    @property
    def variants(self) -> int:
        """Each image as it is, and changed; see pipelines.shut_out for what changed ones are for."""
        return self.recipe.variants

    def fit(self, rows: Rows, watch: Watch | None = None) -> MapNetwork:
        """A network fitted to these images, evaluating, on the CPU. After a stop it goes on behind the last epoch."""
        cases = [self.cases[row] for row in rows]
        back = set_aside(cases, self.how.validation, what=f"validation {self.recipe.seed}")
        learning, validation = rows[~back], rows[back]
        if not len(learning) or not len(validation):
            raise TriageError(
                f"of {patients(cases)} patients none is left to learn from, or none to choose the epoch by; give "
                "another `validation`, or more patients"
            )
        change = Change(self.changed, self.recipe.seed)
        dataset = self.dataset(learning, change)
        labels = label_matrix(self.cases, tuple(self.task.targets))
        judges = [self.cases[row] for row in validation]
        units = units_of(self.task, judges, labels[validation], np.zeros(len(validation), np.int64))
        training = Training(self.begun(), self.recipe, self.how, self.device, labels, learning)
        kept = self.folder / f"fit_{self.key(rows)}.pt"
        progress = training.resumed(kept) or Progress(copy.deepcopy(training.network.state_dict()))
        while progress.epoch < self.how.epochs and progress.since < self.how.patience:
            change.epoch = epoch = progress.epoch + 1
            told = training.epoch(epoch, self.batches(dataset, epoch))
            candidate = training.candidate()
            logits = self.outputs(candidate, validation, 0)[0].astype(np.float64)
            progress.after(epoch, mean_auroc(units.logits(logits), units.labels), candidate)
            if watch is not None:
                watch(epoch, told, candidate)
            training.keep(kept, progress)
        network = training.network
        network.load_state_dict(progress.best)
        kept.unlink(missing_ok=True)
        return network.cpu().eval()

    def key(self, rows: Rows) -> str:
        """What tells a fit to these images in this way from others of the run."""
        return hashlib.sha256(self.how.model_dump_json().encode() + rows.tobytes()).hexdigest()[:16]

    def read(self, row: int) -> Grey:
        """An image, 8-bit grey."""
        return self.task.grey(self.cases[row].image)

    def changed(self, values: Grey, random: np.random.Generator) -> Grey:
        """As another scanner might have given it."""
        return changed(values, self.recipe.augment, random)

    def prepared(self, values: Grey) -> NDArray[np.float32]:
        """(channels, side, side), as the product prepares it."""
        return prepare(self.task.dressed(values), self.task.prepare(self.recipe.side)).tensor

    def begun(self) -> MapNetwork:
        """The network before training."""
        torch.manual_seed(self.recipe.seed)
        return self.built().to(self.device)

    def built(self) -> MapNetwork:
        """With ImageNet weights or random ones. Raises TriageError where there are none."""
        arguments = {"dropout": self.recipe.dropout}
        network = build(self.recipe.network, len(self.task.targets), self.task.channels, arguments)
        set_starting_weights(network, self.recipe, imagenet=self.how.imagenet)
        return network

    def dataset(self, rows: Rows, change: Change) -> Dataset:
        """MONAI's dataset of these images, changed, each read once and kept where the recipe says."""
        transform, data = Compose([Read(self.read), change, Prepare(self.prepared)]), [int(row) for row in rows]
        if self.how.cache == "memory":
            return CacheDataset(data, transform, progress=False)
        if self.how.cache == "disk":
            return PersistentDataset(data, transform, cache_dir=self.folder)
        return Dataset(data, transform)

    def batches(self, dataset: Dataset, epoch: int) -> Iterator[tuple[Rows, Tensor]]:
        """Rows and tensors of one pass in random order."""
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(dataset))
        for one in self.loaded(dataset, order.tolist()):
            yield one["row"].numpy(), one["tensor"]

    def loaded(self, dataset: Dataset, order: Sequence[int]) -> DataLoader:
        """In batches, by as many processes as the recipe says."""
        return DataLoader(dataset, batch_size=self.recipe.batch, sampler=order, num_workers=self.how.workers)

    def painted(self, rows: Rows, variant: int) -> NDArray[np.bool_]:
        """(n,): none; findings are painted for fixed layers only."""
        return np.zeros(len(rows), dtype=bool)

    def outputs(self, network: MapNetwork, rows: Rows, variant: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits (n, findings) and features (n, k) of one variant of these images; 0 is each as it is."""
        change = [Change(self.changed, self.recipe.seed, variant)] if variant else []
        dataset = Dataset([int(row) for row in rows], Compose([Read(self.read), *change, Prepare(self.prepared)]))
        logits, features = [], []
        network = network.to(self.device).eval()
        for one in self.loaded(dataset, range(len(rows))):
            with torch.inference_mode():
                found, _, pooled = network(one["tensor"].to(self.device))
            logits.append(found.float().cpu().numpy())
            features.append(pooled.float().cpu().numpy())
        return np.concatenate(logits), np.concatenate(features)


@dataclass
class Progress:
    """How far a fit is, and the best so far."""

    best: Mapping[str, Tensor]
    best_area: float = -1.0
    epoch: int = 0
    since: int = 0
    """Epochs since the best."""

    def after(self, epoch: int, area: float, candidate: MapNetwork) -> None:
        """An epoch is done; of too few patients to tell (NaN), the latest is kept."""
        self.epoch, self.since = epoch, self.since + 1
        if area > self.best_area or not np.isfinite(area):
            self.best = copy.deepcopy(candidate.state_dict())
            self.best_area, self.since = float(np.fmax(self.best_area, area)), 0


class Training:
    """A network on its way: optimiser, schedule, what is free, the moving average."""

    def __init__(
        self,
        network: MapNetwork,
        recipe: Recipe,
        how: Whole,
        device: str,
        labels: NDArray[np.float32],
        learning: Rows,
    ) -> None:
        self.network, self.how, self.device, self.labels = network, how, device, torch.from_numpy(labels)
        self.seed = recipe.seed
        weights = imbalance_weights(labels[learning]).sqrt().to(device)
        self.loss: Callable[[Tensor, Tensor], Tensor] = loss_by_name(
            how.loss, smoothing=2 * recipe.smoothing, positive_weights=weights, gamma=how.gamma
        )
        groups = parameter_groups(network, how.rate, how.decay_per_stage)
        self.optimiser = optimiser_by_name(how.optimiser, groups, rate=how.rate, weight_decay=how.weight_decay)
        steps = how.epochs * -(-len(learning) // recipe.batch)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, [group["lr"] for group in self.optimiser.param_groups], total_steps=steps
        )
        self.average: AveragedModel | None = None
        if how.ema:
            kept = get_ema_multi_avg_fn(how.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(network, multi_avg_fn=kept, use_buffers=True)

    def epoch(self, number: int, batches: Iterator[tuple[Rows, Tensor]]) -> float:
        """One pass; gives the mean loss."""
        # of the dropout: a fit that goes on after a stop is the same as one that never stopped
        torch.manual_seed(self.seed + number)
        self.network.train()
        for module in self.fixed(number):
            module.eval()
        told = []
        for rows, tensors in batches:
            x = tensors.to(self.device, memory_format=FORMATS[tensors.ndim])
            half = self.how.mixed_precision and self.device != "cpu"
            with torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=half):
                logits = self.network(x)[0]
            value = self.loss(logits.float(), self.labels[rows].to(self.device))
            self.optimiser.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.schedule.step()
            if self.average is not None:
                self.average.update_parameters(self.network)
            told.append(float(value.detach()))
        return float(np.mean(told))

    def fixed(self, number: int) -> Sequence[torch.nn.Module]:
        """Modules that do not move in this epoch."""
        free = sum(at <= number for at in self.how.freed_at)
        parts = len(stages(self.network)) - 1
        return free_from(self.network, max(parts - free, 0) if self.how.freed_at else 0)

    def candidate(self) -> MapNetwork:
        """The network as it would be kept now."""
        network = self.network if self.average is None else self.average.module
        assert isinstance(network, MapNetwork)
        return network.eval()

    def keep(self, path: Path, progress: Progress) -> None:
        """Sets down all that the next epoch needs."""
        checkpoint.keep(path, self._parts(), {"progress": vars(progress)})

    def resumed(self, path: Path) -> Progress | None:
        """Goes on from what an earlier run set down; None where there is nothing."""
        found = checkpoint.taken_up(path, self._parts(), self.device)
        return None if found is None else Progress(**found["progress"])

    def _parts(self) -> dict[str, checkpoint.Stateful]:
        parts: dict[str, checkpoint.Stateful] = {
            "network": self.network,
            "optimiser": self.optimiser,
            "schedule": self.schedule,
        }
        return parts if self.average is None else parts | {"average": self.average}
