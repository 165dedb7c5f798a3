"""evaluation.json: what is known of a bundle's answers on patients that the network did not see."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import Calibration, Evidence
from data_schemas.errors import TriageError
from pipelines.cohort import Case
from pipelines.cross_validation import OutOfFold
from pipelines.metrics import (
    RESAMPLES,
    Bools,
    Floats,
    Interval,
    Resamples,
    auroc,
    calibration_error,
    equal_bins,
    interval,
    sensitivity,
    specificity,
)
from pipelines.operating_points import operating_curve
from pipelines.recipe import Recipe
from pipelines.scaling import calibrated
from pipelines.units import Units
from triage.models.evidence import EVALUATION, Figures


@dataclass(frozen=True)
class Judged:
    """Out-of-fold answers about one finding on the images whose label is known."""

    finding: str
    logits: Floats
    probabilities: Floats
    """By scaling and network that did not see the patient."""
    acts: Bools
    positive: Bools
    images: NDArray[np.str_]
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    views: NDArray[np.str_]
    read_again: Bools
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    """Other ways to part them, by_sex and by_age."""
    calibration: Calibration | None = None
    """The bundle's own, by which its findings act, so the curve is told by it; None where `probabilities` are that."""


def judge(one: Judged, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Every figure of one finding, as plain values for evaluation.json."""
    strata = np.char.add(np.char.add(one.sources, " "), one.views)
    drawn = Resamples.of(one.patients, seed=seed, resamples=resamples)
    return {
        "positives": int(one.positive.sum()),
        "negatives": int((~one.positive).sum()),
        "curve": curve(one, seed, resamples),
        "auroc": plain(drawn.auroc(one.logits, one.positive)),
        "auroc_within_source": plain(drawn.auroc_within(one.logits, one.positive, one.sources)),
        "auroc_within_source_and_view": plain(drawn.auroc_within(one.logits, one.positive, strata)),
        "auprc": plain(drawn.auprc(one.logits, one.positive)),
        "sensitivity": plain(drawn.sensitivity(one.acts, one.positive)),
        "specificity": plain(drawn.specificity(one.acts, one.positive)),
        "calibration_error": calibration_error(one.probabilities, one.positive),
        "reliability": reliability(one, drawn),
        "sources_told_apart": sources_told_apart(one),
        "by_source": parts(one, one.sources, seed, resamples),
        "by_view": parts(one, one.views, seed, resamples),
        "by_label": parts(one, np.where(one.read_again, "read again", "text-mined"), seed, resamples),
    } | {name: parts(one, values, seed, resamples) for name, values in one.groups.items()}


def areas(one: Judged, seed: int, resamples: int) -> dict[str, Any]:
    """AUROC and average precision, and of how many."""
    drawn = Resamples.of(one.patients, seed=seed, resamples=resamples)
    return {
        "positives": int(one.positive.sum()),
        "negatives": int((~one.positive).sum()),
        "auroc": plain(drawn.auroc(one.logits, one.positive)),
        "auprc": plain(drawn.auprc(one.logits, one.positive)),
    }


def reliability(one: Judged, drawn: Resamples) -> list[dict[str, float | int | None]]:
    """Of images in bins of equal size, from the least probable: the probability stated, and the share that has it."""
    told: list[dict[str, float | int | None]] = []
    for places in equal_bins(one.probabilities):
        here = np.isin(np.arange(len(one.positive)), places)
        found = interval(float(one.positive[here].mean()), drawn.shares(one.positive, here))
        share = {"found": number(found.value), "low": number(found.low), "high": number(found.high)}
        told.append({"stated": number(float(one.probabilities[here].mean())), **share, "images": len(places)})
    return told


def sources_told_apart(one: Judged) -> float | None:
    """AUROC by which the score tells two sources apart among images without the finding: 0.5 where it knows neither.

    Of more sources, that of the pair told apart best. None where there are no two.
    """
    without = [one.logits[~one.positive & (one.sources == source)] for source in np.unique(one.sources)]
    pairs = [(a, b) for place, a in enumerate(without) for b in without[place + 1 :] if len(a) and len(b)]
    found = [auroc(np.concatenate([a, b]), np.arange(len(a) + len(b)) < len(a)) for a, b in pairs]
    return number(max((max(area, 1 - area) for area in found), default=float("nan")))


def parts(one: Judged, groups: NDArray[np.str_], seed: int, resamples: int) -> dict[str, Any]:
    """AUROC, sensitivity and specificity within each group."""
    result: dict[str, Any] = {}
    for group in np.unique(groups):
        here = groups == group
        logits, positive, acts = one.logits[here], one.positive[here], one.acts[here]
        drawn = Resamples.of(one.patients[here], seed=seed, resamples=resamples)
        result[str(group)] = {
            "positives": int(positive.sum()),
            "negatives": int((~positive).sum()),
            "auroc": plain(drawn.auroc(logits, positive)),
            "sensitivity": number(sensitivity(acts, positive)),
            "specificity": number(specificity(acts, positive)),
        }
    return result


def evidence(figures: Mapping[str, Any], measured: str) -> Evidence:
    """The most cautious of the AUROCs over all pairs of images, over pairs of one source, and of one source and view.

    `measured`: how and on whom, in words.

    Findings came from different collections and views to a different share, so that a network may tell those and not
    the disease: pairs of one source and view cannot be won that way. Raises TriageError where nothing was measured.
    """
    found = Figures.model_validate(figures).area()
    if found is None:
        raise TriageError("there are too few films with and without a finding to measure how well it is told")
    over, area = found
    method = f"{measured}, AUROC over {over}, the lowest of three; 95 % interval by bootstrap over patients"
    return Evidence.model_validate(
        {
            "auroc": area.value,
            "low": area.low,
            "high": area.high,
            "positives": figures["positives"],
            "negatives": figures["negatives"],
            "method": method,
        }
    )


def curve(one: Judged, seed: int, resamples: int) -> dict[str, list[float]] | None:
    """Sensitivity and specificity by threshold; None where one of the two cannot be measured at all."""
    if one.positive.all() or not one.positive.any():
        return None
    scale = one.calibration
    probabilities = one.probabilities if scale is None else calibrated(scale, one.logits)
    return operating_curve(probabilities, one.positive, one.patients, seed=seed, resamples=resamples)


def mean_auroc(logits: Floats, labels: NDArray[np.float32]) -> float:
    """Mean over findings of the AUROC on the images whose label is known."""
    known = [~np.isnan(column) for column in labels.T]
    found = [auroc(logits[k, i], labels[k, i] == 1) for i, k in enumerate(known)]
    return float(np.nanmean(found))


def averaging(units: Units, answers: OutOfFold, recipe: Recipe) -> dict[str, Any]:
    """What averaging over an image's changed copies would give; measured only, the product does not do it.

    `gain` is told in pairs: each sample of patients judges both.
    """
    patients = np.array([case.patient_id for case in units.cases])
    drawn = Resamples.of(patients, seed=recipe.seed, resamples=recipe.resamples)
    one, many = units.logits(answers.logits), units.logits(answers.averaged)
    return {
        "changed_copies": recipe.variants - 1,
        "mean_auroc": number(mean_auroc(one, units.labels)),
        "mean_auroc_averaged": number(mean_auroc(many, units.labels)),
        "gain": plain(drawn.auroc_gain(one, many, units.labels.astype(np.float64))),
    }


def alarms(judged: Mapping[str, Judged], lifting: Collection[str], overall: str) -> dict[str, float | None]:
    """Share of what has no abnormality (`overall` says) that at least one lifting finding acts on, and of the rest."""
    whole = judged[overall]
    keys = {image: place for place, image in enumerate(whole.images)}
    acted = np.zeros(len(whole.images), dtype=bool)
    for name in lifting:
        for image, acts in zip(judged[name].images, judged[name].acts, strict=True):
            if image in keys:
                acted[keys[image]] |= bool(acts)
    return {
        "of_films_without_abnormality": number(float(acted[~whole.positive].mean())),
        "of_abnormal_films": number(float(acted[whole.positive].mean())),
    }


def expert_reads(cases: Sequence[Case], finding: str, acts: Bools) -> dict[str, int] | None:
    """How the finding acted (cases,) on the few films that experts adjudicated; None where they did not read for it."""
    chosen = [
        (case.expert[finding], bool(act)) for case, act in zip(cases, acts, strict=True) if finding in case.expert
    ]
    if not chosen:
        return None
    return {
        "with_it": sum(read == 1 for read, _ in chosen),
        "with_it_acted_on": sum(read == 1 and acts for read, acts in chosen),
        "without_it": sum(read == 0 for read, _ in chosen),
        "without_it_acted_on": sum(read == 0 and acts for read, acts in chosen),
    }


def plain(interval: Interval) -> dict[str, float | None]:
    """An interval for JSON, which knows no NaN."""
    return {"value": number(interval.value), "low": number(interval.low), "high": number(interval.high)}


def number(value: float) -> float | None:
    """Rounded to four places; None where there is no figure."""
    return round(value, 4) if np.isfinite(value) else None


def stopped_share(distances: NDArray[np.float64], threshold: float) -> float:
    """Share of the distances that the gate stops."""
    return float(np.mean([not (np.isfinite(d) and d <= threshold) for d in distances])) if len(distances) else 0.0


def write_evaluation(directory: Path, evaluation: Mapping[str, Any]) -> None:
    """evaluation.json of a bundle directory, complete or not at all."""
    part = directory / (EVALUATION + ".part")
    part.write_text(json.dumps(evaluation, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(directory / EVALUATION)


def read_evaluation(directory: Path) -> dict[str, Any]:
    """evaluation.json of a bundle directory."""
    content: dict[str, Any] = json.loads((directory / EVALUATION).read_text(encoding="utf-8"))
    return content
