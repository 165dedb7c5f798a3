"""Figures of an evaluation from what screening said: findings, groups and coverage."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.evaluation import (
    AtPrevalence,
    Coverage,
    FindingFigures,
    GroupFigures,
    LevelFigures,
    Ranged,
    Stopped,
)
from pipelines.cohort import NOT_STATED
from pipelines.judge import number, plain
from pipelines.metrics import Bools, Floats, Interval, Resamples, at_prevalence, both_kinds, interval
from pipelines.outcomes import SCORED, STOPPED, UNREADABLE, Outcome, SliceOutcome

AGES = ((18, "0 to 17"), (40, "18 to 39"), (60, "40 to 59"), (80, "60 to 79"), (float("inf"), "80 and over"))
MOST_GROUPS = 12
FAULTS_SHOWN = 20
NOTHING = Ranged(value=None)


@dataclass(frozen=True)
class Answered:
    """One finding on studies or slices with a known label."""

    scores: Floats
    """Probabilities; below 0 where a gate stopped the study."""
    acts: Bools
    positive: Bools
    patients: NDArray[np.str_]
    groups: Mapping[str, NDArray[np.str_]]
    """Of what (sex, age, view, source) to each one's group."""

    def of(self, here: Bools) -> "Answered":
        """A part of them."""
        groups = {name: values[here] for name, values in self.groups.items()}
        return Answered(self.scores[here], self.acts[here], self.positive[here], self.patients[here], groups)


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn."""

    seed: int
    resamples: int
    prevalences: tuple[float, ...]

    def samples(self, patients: NDArray[np.str_]) -> Resamples:
        """Of these patients."""
        return Resamples.of(patients, seed=self.seed, resamples=self.resamples)


def study_figures(outcomes: Sequence[Outcome], manifest: BundleManifest, drawing: Drawing) -> LevelFigures:
    """Of the scored ones, and beside it of all that a gate did not let through as well."""
    scored = [one for one in outcomes if one.status == SCORED]
    screened = [one for one in outcomes if one.status in (SCORED, STOPPED)]
    findings = {}
    for spec in manifest.findings:
        found = finding_figures(answered(scored, spec.name), len(scored), spec, drawing)
        if len(screened) > len(scored):
            every = group_figures(answered(screened, spec.name), drawing)
            found = found.model_copy(update={"with_stopped": every})
        findings[spec.name] = found
    return LevelFigures(count=len(scored), patients=len({one.patient for one in scored}), findings=findings)


def slice_figures(slices: Sequence[SliceOutcome], manifest: BundleManifest, drawing: Drawing) -> LevelFigures | None:
    """None where no slice has a label of its own, or each study has one slice."""
    labelled = any(value == value for one in slices for value in one.labels.values())
    if not labelled or len(slices) == len({(one.patient, one.study) for one in slices}):
        return None
    findings = {}
    for spec in manifest.findings:
        one = answered_slices(slices, spec.name, spec.operating_point)
        findings[spec.name] = finding_figures(one, len(slices), spec, drawing)
    return LevelFigures(count=len(slices), patients=len({one.patient for one in slices}), findings=findings)


def answered(outcomes: Sequence[Outcome], finding: str) -> Answered:
    """The studies that are labelled for the finding."""
    known = [one for one in outcomes if one.labels[finding] == one.labels[finding]]
    return Answered(
        scores=np.array([one.scores.get(finding, -1.0) for one in known], dtype=np.float64),
        acts=np.array([one.acts.get(finding, False) for one in known], dtype=bool),
        positive=np.array([one.labels[finding] == 1 for one in known], dtype=bool),
        patients=np.array([one.patient for one in known], dtype=np.str_),
        groups={name: np.array(values, dtype=np.str_) for name, values in groups_of(known).items()},
    )


def answered_slices(slices: Sequence[SliceOutcome], finding: str, operating_point: float) -> Answered:
    """The slices that are labelled for the finding, flagged from the study's operating point on."""
    known = [one for one in slices if one.labels[finding] == one.labels[finding]]
    scores = np.array([one.scores[finding] for one in known], dtype=np.float64)
    return Answered(
        scores=scores,
        acts=scores >= operating_point,
        positive=np.array([one.labels[finding] == 1 for one in known], dtype=bool),
        patients=np.array([one.patient for one in known], dtype=np.str_),
        groups={},
    )


def groups_of(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Each study's group, by what."""
    return {
        "sex": [one.sex or NOT_STATED for one in outcomes],
        "age": [age_band(one.age_years) for one in outcomes],
        "view": [one.view or NOT_STATED for one in outcomes],
        "source": [one.source or NOT_STATED for one in outcomes],
    }


def age_band(years: float) -> str:
    """In words."""
    return next((words for below, words in AGES if years < below), NOT_STATED)


def finding_figures(one: Answered, count: int, spec: FindingSpec, drawing: Drawing) -> FindingFigures:
    """Every figure of one finding; `count` is how many were scored, labelled or not."""
    draws, positive = drawing.samples(one.patients), one.positive
    both = both_kinds(positive)
    source = one.groups.get("source", np.array([], dtype=np.str_))
    several = 1 < len(np.unique(source)) <= MOST_GROUPS
    return FindingFigures(
        label=spec.label,
        operating_point=spec.operating_point,
        may_lift=spec.may_lift,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        unknown=count - len(positive),
        note=what_is_missing(positive, spec.label),
        auroc=ranged(draws.auroc(one.scores, positive)),
        auroc_within_source=ranged(draws.auroc_within(one.scores, positive, source)) if several and both else None,
        auprc=ranged(draws.auprc(one.scores, positive)) if both else NOTHING,
        sensitivity=ranged(draws.sensitivity(one.acts, positive)),
        specificity=ranged(draws.specificity(one.acts, positive)),
        calibration_error=ranged(draws.calibration_error(one.scores, positive)) if positive.size else NOTHING,
        brier=ranged(draws.brier(one.scores, positive)) if positive.size else NOTHING,
        at_prevalence=tuple(flags(one, prevalence, draws) for prevalence in drawing.prevalences),
        groups={
            name: {str(group): group_figures(one.of(values == group), drawing) for group in np.unique(values)}
            for name, values in one.groups.items()
            if 1 < len(np.unique(values)) <= MOST_GROUPS
        },
    )


def what_is_missing(positive: Bools, label: str) -> str:
    """Why figures are missing; empty where none is."""
    if not positive.size:
        return f"nothing that was scored is labelled for {label}"
    if both_kinds(positive):
        return ""
    return f"nothing that was scored {'lacks' if positive.all() else 'has'} {label}, so there is no AUROC"


def group_figures(one: Answered, drawing: Drawing) -> GroupFigures:
    """Of a part of the studies, or of all."""
    draws = drawing.samples(one.patients)
    return GroupFigures(
        patients=len(np.unique(one.patients)),
        positives=int(one.positive.sum()),
        negatives=int((~one.positive).sum()),
        auroc=ranged(draws.auroc(one.scores, one.positive)),
        sensitivity=ranged(draws.sensitivity(one.acts, one.positive)),
        specificity=ranged(draws.specificity(one.acts, one.positive)),
    )


def flags(one: Answered, prevalence: float, draws: Resamples) -> AtPrevalence:
    """PPV and NPV with intervals, from sensitivity and specificity of the same samples."""
    found, left = draws.sensitivity(one.acts, one.positive).value, draws.specificity(one.acts, one.positive).value
    samples = draws.shares(one.acts, one.positive), draws.shares(~one.acts, ~one.positive)
    values = at_prevalence(np.array([found]), np.array([left]), prevalence)
    drawn = at_prevalence(*samples, prevalence)
    ppv, npv = (interval(float(value[0]), over) for value, over in zip(values, drawn, strict=True))
    share = found * prevalence + (1 - left) * (1 - prevalence)
    return AtPrevalence(prevalence=prevalence, ppv=ranged(ppv), npv=ranged(npv), flags_per_100=number(100 * share))


def ranged(one: Interval) -> Ranged:
    """Rounded."""
    return Ranged(**plain(one))


def coverage(outcomes: Iterable[Outcome], rows: int, faults: Sequence[str]) -> Coverage:
    """What became of studies and files."""
    every = list(outcomes)
    status = Counter(one.status for one in every)
    stops = Counter((one.gate, without_numbers(one.reason)) for one in every if one.status == STOPPED)
    return Coverage(
        rows=rows,
        studies=len(every),
        scored=status[SCORED],
        stopped=status[STOPPED],
        unreadable=status[UNREADABLE],
        files_left_out=len(faults) + sum(one.unreadable for one in every),
        stopped_by=tuple(
            Stopped(gate=gate, reason=reason, studies=count) for (gate, reason), count in stops.most_common()
        ),
        faults=(*faults, *(one.reason for one in every if one.status == UNREADABLE))[:FAULTS_SHOWN],
    )


def without_numbers(sentence: str) -> str:
    """So that equal reasons are counted together."""
    return re.sub(r"-?\d+(\.\d+)?", "#", sentence)


def notes(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What the figures leave out."""
    found = []
    for name, values in groups_of(outcomes).items():
        count = len(set(values))
        if count > MOST_GROUPS:
            found.append(f"{name} has {count} different values, too many for groups; up to {MOST_GROUPS} are shown")
    return tuple(found)
