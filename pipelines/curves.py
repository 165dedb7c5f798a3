"""What epochs of a run leave: lines of the log, rows of curves.csv and their picture, TensorBoard's files if wanted."""

import csv
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.contrastive import losses_of
from pipelines.cross_validation import Curves
from pipelines.judge import mean_auroc
from pipelines.run_folder import PRETRAINED, TRUNK

said = logging.getLogger("pipelines.curves").info
CURVES, PICTURE = "curves.csv", "curves.png"
COLUMNS = ("way", "fold", "epoch", "training_loss", "mean_auroc")


def curves_of(out: Path, way: str, *, tensorboard: bool) -> Curves:
    """Told of each epoch of a way. Raises TriageError where TensorBoard is wanted and not installed."""
    writer = None
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise TriageError("TensorBoard is missing: pip install tensorboard, or leave --tensorboard out") from error
        writer = SummaryWriter(str(out / "tensorboard" / way))

    def told(fold: int, epoch: int, loss: float, logits: NDArray[np.float32], labels: NDArray[np.float32]) -> None:
        area = mean_auroc(logits.astype(np.float64), labels)
        row = {"way": way, "fold": fold, "epoch": epoch, "training_loss": round(loss, 5), "mean_auroc": round(area, 4)}
        add_curve(out, row)
        said("%s, fold %d, epoch %d: loss %.4f, mean AUROC of patients not seen %.4f", way, fold, epoch, loss, area)
        if writer is not None:
            writer.add_scalar(f"fold {fold}/loss", loss, epoch)
            writer.add_scalar(f"fold {fold}/mean AUROC", area, epoch)

    return told


def add_curve(folder: Path, row: Mapping[str, object]) -> None:
    """One more line of curves.csv."""
    path = folder / CURVES
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_curves(folder: Path) -> list[dict[str, str]]:
    """The rows of curves.csv; of an epoch that a stop made the run repeat, the last. None where nothing was trained."""
    if not (folder / CURVES).is_file():
        return []
    with (folder / CURVES).open(newline="", encoding="utf-8") as file:
        found = {(row["way"], row["fold"], row["epoch"]): row for row in csv.DictReader(file)}
    return list(found.values())


def pretraining_losses(folder: Path) -> list[list[float]]:
    """Of each trunk that was pretrained in this run, the loss of every epoch."""
    trunks = [*sorted((folder / PRETRAINED).glob("*.safetensors")), *folder.glob(TRUNK)]
    return [losses for path in trunks if (losses := losses_of(path))]


def draw_curves(folder: Path) -> None:
    """curves.png: two panels for each way, a line for each fold; above them the loss of pretraining, a line for each
    trunk. Nothing where no epoch was trained.
    """
    rows, pretrained = read_curves(folder), pretraining_losses(folder)
    ways = sorted({row["way"] for row in rows})
    count = len(ways) + bool(pretrained)
    if not count:
        return
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(count, 2, figsize=(9, 3.2 * count), squeeze=False, layout="constrained")
    if pretrained:
        draw_pretraining(panels[0], pretrained)
    for way, pair in zip(ways, panels[bool(pretrained) :], strict=True):
        draw_way(pair, way, [row for row in rows if row["way"] == way])
    figure.savefig(folder / PICTURE, dpi=110)
    plt.close(figure)


def draw_pretraining(pair: Sequence[Any], losses: Sequence[Sequence[float]]) -> None:
    """The loss of each trunk in the first of two panels; there is no AUROC before there are labels."""
    for one in losses:
        pair[0].plot(range(1, len(one) + 1), one, color="tab:grey", alpha=0.7)
    pair[0].set(title=f"pretraining without labels, {len(losses)} times", xlabel="epoch", ylabel="contrastive loss")
    pair[1].set_axis_off()


def draw_way(pair: Sequence[Any], way: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Loss and AUROC of each fold."""
    left, right = pair
    for fold in sorted({row["fold"] for row in rows}):
        mine = [row for row in rows if row["fold"] == fold]
        epochs = [int(row["epoch"]) for row in mine]
        left.plot(epochs, [float(row["training_loss"]) for row in mine], label=f"fold {fold}")
        right.plot(epochs, [float(row["mean_auroc"]) for row in mine])
    left.set(title=way, xlabel="epoch", ylabel="training loss")
    right.set(xlabel="epoch", ylabel="mean AUROC, patients not seen")
    left.legend(frameon=False, fontsize=8)
