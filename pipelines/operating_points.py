"""Where a finding acts: the curve over its thresholds, a point chosen for a stated aim, and what a point means a day.

`python -m pipelines.operating_points --scores RUN --bundle DIR` writes that table from a run's out-of-fold answers.
Everything here is told of patients whom the network did not see; nothing else may choose a point.
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import typer
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.errors import TriageError
from pipelines import metrics as shares
from pipelines.metrics import RESAMPLES, Bools, Floats
from pipelines.run_folder import OUT_OF_FOLD, Known, read_out_of_fold
from pipelines.scaling import OperatingPoint, at_specificity, calibrated
from triage.models.bundle import read_manifest
from triage.models.evidence import EVALUATION

STEPS = 50
"""Thresholds taken from those with the finding, and as many from those without it."""
PLACES = 3
"""Decimals of a threshold, so that a person can name it."""
BATCH = 250
"""Resamples drawn at a time, so that memory stays small."""
PREVALENCES = (0.01, 0.05, 0.10, 0.20)
SLACK = 1e-9
"""For shares that are whole numbers of images but for rounding."""


# Curve


def operating_curve(
    probabilities: Floats, positive: Bools, patients: NDArray[np.str_], *, seed: int, resamples: int = RESAMPLES
) -> dict[str, list[float]]:
    """What acting from each of about a hundred probabilities gives, for the explorer of the Models page.

    All arrays (n,). Gives lists of equal length, the lowest threshold first: `probability`; `sensitivity` and
    `specificity` of acting at or above it; and `sensitivity_low`, `sensitivity_high`, `specificity_low` and
    `specificity_high`, the 2.5 and 97.5 percentiles over samples of whole patients with replacement, drawn as
    pipelines.metrics.patient_bootstrap draws them. Raises TriageError where all have the finding or none has it.
    """
    if positive.all() or not positive.any():
        raise TriageError("a curve needs images with the finding and without it")
    at = thresholds(probabilities, positive)
    acts = probabilities[:, None] >= at
    found = Counts.of(acts & positive[:, None], positive, patients)
    left = Counts.of(~acts & ~positive[:, None], ~positive, patients)
    curve = {"probability": rounded(at)}
    for name, counts in (("sensitivity", found), ("specificity", left)):
        value = counts.hits.sum(axis=0) / counts.total.sum()
        low, high = counts.interval(seed, resamples)
        curve[name] = rounded(value)
        curve[f"{name}_low"], curve[f"{name}_high"] = rounded(np.minimum(low, value)), rounded(np.maximum(high, value))
    return curve


def thresholds(probabilities: Floats, positive: Bools) -> Floats:
    """(m,) rising: even shares of those with the finding and of those without it lie between two neighbours.

    So each step changes sensitivity or specificity by little, also where the finding is rare and every probability low.
    """
    shares = (np.arange(STEPS) + 0.5) / STEPS
    taken = [np.quantile(probabilities[some], shares) for some in (positive, ~positive)]
    smallest = 10.0**-PLACES
    at: Floats = np.unique(np.clip(np.round(np.concatenate(taken), PLACES), smallest, 1 - smallest))
    return at


@dataclass(frozen=True)
class Counts:
    """Images by patient, of which a share is wanted."""

    hits: Floats
    """(patients, thresholds)"""
    total: Floats
    """(patients,)"""

    @classmethod
    def of(cls, hits: Bools, counted: Bools, patients: NDArray[np.str_]) -> "Counts":
        """From (images, thresholds) and (images,)."""
        names, index = np.unique(patients, return_inverse=True)
        by_patient = np.zeros((len(names), hits.shape[1]))
        np.add.at(by_patient, index, hits)
        return cls(by_patient, np.bincount(index, counted, len(names)).astype(np.float64))

    def interval(self, seed: int, resamples: int) -> tuple[Floats, Floats]:
        """The 2.5 and 97.5 percentiles (thresholds,) of the share; samples without a single image are left out."""
        shares = [self.shares(times) for times in drawn(len(self.total), seed, resamples)]
        low, high = np.nanpercentile(np.concatenate(shares), (2.5, 97.5), axis=0)
        return low, high

    def shares(self, times: Floats) -> Floats:
        """(samples, thresholds): the share in each sample; `times` (samples, patients) says who is in it how often."""
        total = (times @ self.total)[:, None]
        hits: Floats = times @ self.hits
        return np.where(total > 0, hits / np.maximum(total, 1), np.nan)


def drawn(patients: int, seed: int, resamples: int) -> Iterator[Floats]:
    """How often each patient is in each sample, (at most BATCH, patients) at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, resamples, BATCH):
        samples = [random.integers(0, patients, patients) for _ in range(min(BATCH, resamples - start))]
        yield np.stack([np.bincount(one, minlength=patients) for one in samples]).astype(float)


def rounded(values: Floats) -> list[float]:
    """Four places are plenty for a share."""
    return [round(float(value), 4) for value in values]


# A point for an aim


def for_sensitivity(probabilities: Floats, positive: Bools, wanted: float) -> OperatingPoint:
    """The highest probability from which at least `wanted` of those with the finding are acted on."""
    require_share(wanted, "sensitivity")
    with_it = np.sort(probabilities[positive])[::-1]
    if not with_it.size:
        raise TriageError("no image has the finding, so no sensitivity can be aimed at")
    last_found = float(with_it[max(int(np.ceil(wanted * len(with_it) - SLACK)), 1) - 1])
    words = f"finds at least {100 * wanted:g}% of those with it, on out-of-fold patients"
    return below(probabilities, last_found, words)


def for_flags(probabilities: Floats, positive: Bools, budget: float, prevalence: float) -> OperatingPoint:
    """The lowest probability that flags at most `budget` of 100 studies where `prevalence` of them have the finding."""
    require_share(prevalence, "prevalence")
    require_share(budget / 100, "flags of 100 studies")
    words = f"flags at most {budget:g} of 100 studies where {prevalence:.1%} have it, on out-of-fold patients"
    known = np.unique(probabilities)
    low, high = 0, len(known)
    while low < high:  # fewer are flagged from a higher one: from known[high] on it fits, below known[low] it does not
        middle = (low + high) // 2
        acts = probabilities >= known[middle]
        found, left = shares.sensitivity(acts, positive), shares.specificity(acts, positive)
        flags = flags_per_100(found, left, prevalence)
        low, high = (low, middle) if flags <= budget + SLACK else (middle + 1, high)
    return below(probabilities, float(known[low]), words) if low < len(known) else OperatingPoint(1.0, words)


def below(probabilities: Floats, first: float, words: str) -> OperatingPoint:
    """Acts on `first` and all above it: half way from there to the next lower probability, where there is one."""
    lower = probabilities[probabilities < first]
    middle = (float(lower.max()) + first) / 2 if lower.size else first
    # between two neighbouring numbers lies no other
    return OperatingPoint(middle if not lower.size or middle > lower.max() else first, words)


def require_share(value: float, what: str) -> None:
    """Raises TriageError for what is no share."""
    if not 0 < value <= 1:
        raise TriageError(f"a {what} of {value:g} is not above 0 and at most 1")


# What a point means at a prevalence; triage/ui/components/explorer/maths.js computes the same


def flags_per_100(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Studies of 100 that are acted on."""
    return 100 * (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))


def predictive(sensitivity: float, specificity: float, prevalence: float) -> tuple[float | None, float | None]:
    """PPV and NPV; None where nothing is flagged, or nothing left alone."""
    ppv, npv = shares.at_prevalence(np.array([sensitivity]), np.array([specificity]), prevalence)
    return (None if np.isnan(ppv[0]) else float(ppv[0])), (None if np.isnan(npv[0]) else float(npv[0]))


def misses_per_1000(sensitivity: float, prevalence: float) -> float:
    """Studies of 1,000 that have the finding and are left alone."""
    return 1000 * (1 - sensitivity) * prevalence


# Command


def told_by(bundle: Path) -> dict[str, Any]:
    """The bundle's evaluation.json; empty where it has none. Raises TriageError for one that cannot be read."""
    path = bundle / EVALUATION
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise TriageError(f"{path} cannot be read; give the bundle that the run made") from error
    return told


def pooled_of(bundle: Path, manifest: BundleManifest) -> int | None:
    """How many slices of a patient make its study's logit, as the bundle's evaluation.json says. Raises TriageError."""
    if manifest.accepts.volume is None:
        return None
    told = told_by(bundle)
    if "pooled" not in told:
        raise TriageError(
            f"{bundle / EVALUATION} does not say how slices are pooled; give the bundle that the run made"
        )
    pooled: int | None = told["pooled"]
    return pooled


@dataclass(frozen=True)
class Aim:
    """What each finding's point is chosen for; with nothing stated, the bundle's own points are told of."""

    sensitivity: float | None = None
    specificity: float | None = None
    flags: float | None = None
    prevalence: float = 0.05

    def point(self, finding: FindingSpec, one: Known) -> OperatingPoint:
        """The point. Raises TriageError."""
        probabilities = calibrated(finding.calibration, one.logits)
        if self.sensitivity is not None:
            return for_sensitivity(probabilities, one.positive, self.sensitivity)
        if self.specificity is not None:
            require_share(self.specificity, "specificity")
            return at_specificity(finding.calibration, one.logits, one.positive, self.specificity)
        if self.flags is not None:
            return for_flags(probabilities, one.positive, self.flags, self.prevalence)
        return OperatingPoint(finding.operating_point, finding.operating_point_chosen)


def tabled(
    manifest: BundleManifest, answers: Mapping[str, Known], aim: Aim, prevalences: Sequence[float]
) -> list[dict[str, Any]]:
    """One row for each finding and prevalence: where it acts and what that means."""
    rows = []
    for finding in manifest.findings:
        one = answers[finding.name]
        if one.positive.all() or not one.positive.any():
            raise TriageError(f"{finding.name}: the answers hold no image with it, or none without it")
        point = aim.point(finding, one)
        acts = point.acts(finding.calibration, one.logits)
        sensitivity, specificity = shares.sensitivity(acts, one.positive), shares.specificity(acts, one.positive)
        for prevalence in prevalences:
            ppv, npv = predictive(sensitivity, specificity, prevalence)
            rows.append(
                {
                    "finding": finding.name,
                    "acts_from": round(point.probability, 6),
                    "chosen": point.words,
                    "prevalence": prevalence,
                    "flags_per_100": round(flags_per_100(sensitivity, specificity, prevalence), 2),
                    "sensitivity": round(sensitivity, 4),
                    "specificity": round(specificity, 4),
                    "ppv": None if ppv is None else round(ppv, 4),
                    "npv": None if npv is None else round(npv, 4),
                    "misses_per_1000": round(misses_per_1000(sensitivity, prevalence), 2),
                }
            )
    return rows


app = typer.Typer(add_completion=False)


@app.command()
def main(
    scores: Annotated[Path, typer.Option(help=f"A run's folder, or its {OUT_OF_FOLD}.")],
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle that the run made, for its calibration.")],
    sensitivity: Annotated[float | None, typer.Option(help="Choose points that find at least this share.")] = None,
    specificity: Annotated[float | None, typer.Option(help="Choose points that leave this share alone.")] = None,
    flags: Annotated[float | None, typer.Option(help="Choose points that flag at most so many of 100 studies.")] = None,
    at: Annotated[float, typer.Option(help="Prevalence for --flags.")] = 0.05,
    prevalence: Annotated[list[float] | None, typer.Option(help="Prevalences of the table, any number.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV to write; else the table is printed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Flags per 100 studies, PPV, NPV and misses of each finding at stated prevalences, from out-of-fold answers."""
    try:
        aims = [one for one in (sensitivity, specificity, flags) if one is not None]
        if len(aims) > 1:
            raise TriageError("give one of --sensitivity, --specificity and --flags")
        wanted = prevalence or list(PREVALENCES)
        for one in (at, *wanted):
            require_share(one, "prevalence")
        manifest = read_manifest(bundle)
        told = read_out_of_fold(scores, pooled_of(bundle, manifest))
        answers = {finding.name: told.known(finding.name) for finding in manifest.findings}
        require_own(bundle, answers)
        rows = tabled(manifest, answers, Aim(sensitivity, specificity, flags, at), wanted)
        write_table(rows, out, as_json=as_json)
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(2) from error


SAME = 0.002
"""How far an AUROC may lie from the bundle's own; both are of the same answers, rounded."""


def require_own(bundle: Path, answers: Mapping[str, Known]) -> None:
    """Raises TriageError where the answers are not those that the bundle's evidence was made from: its calibration
    would be applied to another model's logits.
    """
    stated = told_by(bundle).get("findings", {})
    for finding, one in answers.items():
        area = stated.get(finding, {}).get("auroc", {}).get("value")
        if area is None or not one.positive.any() or one.positive.all():
            continue
        found = shares.auroc(one.logits, one.positive)
        if abs(found - area) > SAME:
            raise TriageError(
                f"these answers give {finding} an AUROC of {found:.3f}, the bundle's own gave {area:.3f}; give those "
                "of this bundle's own run"
            )


def write_table(rows: Sequence[Mapping[str, Any]], out: Path | None, *, as_json: bool) -> None:
    """As CSV into a file, whole or not at all; else on standard output as CSV or JSON."""
    if out is not None:
        part = out.with_name(out.name + ".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            written(rows, file)
        part.replace(out)
        return
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    written(rows, typer.get_text_stream("stdout"))


def written(rows: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    """CSV with a head."""
    table = csv.DictWriter(file, list(rows[0]))
    table.writeheader()
    table.writerows(rows)


if __name__ == "__main__":
    app()
