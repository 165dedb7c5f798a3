"""What each epoch of a run leaves: a line of the log, a row of curves.csv, and TensorBoard's files where wanted."""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.cross_validation import Curves
from pipelines.judge import mean_auroc
from pipelines.run_folder import add_curve

said = logging.getLogger("pipelines.watch").info


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
