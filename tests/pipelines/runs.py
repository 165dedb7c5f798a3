"""The folder of a training run with drawn answers."""

from pathlib import Path

import numpy as np
import yaml

from pipelines.cohort import Case
from pipelines.recipe import Recipe
from pipelines.run_folder import write_out_of_fold

FINDINGS = ("opacity", "abnormal")
COUNT = 240


def write_run(folder: Path, strength: float, task: str = "cxr", seed: int = 3, drop: int = 0) -> Path:
    """Answers about 120 patients with two images each, that know the label as well as `strength` says."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, (COUNT, 2)).astype(np.float32)
    logits = labels * strength + random.normal(size=labels.shape)
    labels[:6, 0] = np.nan
    cases = [Case(Path(f"{n}.png"), f"P{n // 2}", 40.0, "one", {}, view="PA") for n in range(COUNT)]
    folds = np.random.default_rng(seed).integers(0, 5, COUNT // 2).repeat(2)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(Recipe(task=task).model_dump(mode="json")))
    keep = COUNT - drop
    write_out_of_fold(folder / "out_of_fold.csv", cases[:keep], folds[:keep], labels[:keep], logits[:keep], FINDINGS)
    return folder
