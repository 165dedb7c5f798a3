"""The patients whom no choice has seen, as the product scores them: pipelines.evaluate of the finished bundle.

A run's folder keeps the manifest of them and everything evaluate wrote, so that anyone can ask again:
`python -m pipelines.evaluate --bundle RUN/bundle --manifest RUN/set_aside.csv --images DATA --out DIR`.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.cohort import Case
from pipelines.evaluate import Asked, evaluate
from pipelines.recipe import Recipe
from pipelines.run_folder import SET_ASIDE, SET_ASIDE_MANIFEST
from triage.settings import load_settings

LEFT_OUT = {"triage_json_sha256", "prevalences", "robustness", "throughput"}
"""Of what evaluate tells: of the bundle without its evidence, of the machine, or not asked for."""


def confirm(bundle: Path, cases: Sequence[Case], data: Path, run: Path, recipe: Recipe) -> dict[str, Any] | None:
    """What evaluate finds of these patients' images, as plain values for evaluation.json; None without patients.

    `data` is the folder the images lie in. Raises TriageError.
    """
    if not cases:
        return None
    write_manifest(run / SET_ASIDE_MANIFEST, cases, data)
    asked = Asked(
        bundle=bundle,
        manifest=run / SET_ASIDE_MANIFEST,
        images=data,
        out=run / SET_ASIDE,
        resamples=recipe.resamples,
        seed=recipe.seed,
        settings=load_settings(home=run / SET_ASIDE),
    )
    return evaluate(asked).model_dump(mode="json", exclude=LEFT_OUT)


def write_manifest(path: Path, cases: Sequence[Case], data: Path) -> None:
    """A manifest as pipelines.evaluate reads it, labels as training believes them."""
    findings = list(cases[0].labels)
    part = path.with_suffix(".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient_id", "age", "sex", "view", "source", *findings])
        for one in cases:
            known = [one.image.relative_to(data), one.patient_id, stated(one.age_years), one.sex, one.view, one.source]
            writer.writerow([*known, *(stated(one.labels[finding]) for finding in findings)])
    part.replace(path)


def stated(value: float) -> str:
    """A number; empty for what is not known."""
    return "" if np.isnan(value) else f"{value:g}"
