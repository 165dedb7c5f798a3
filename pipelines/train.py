"""`python -m pipelines.train cxr --data DIR --out DIR`: labelled films become a bundle with its evidence and card.

The same seed, data, software and device give the same bundle. On a processor with much memory in use, setting
MALLOC_MMAP_THRESHOLD_=4000000000 and MALLOC_TRIM_THRESHOLD_=8000000000 makes torch two to three times as fast.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, FindingSpec, OodSpec
from data_schemas.errors import TriageError
from pipelines import chest, head, retina
from pipelines.calibrate import OperatingPoint, at_specificity, calibrated_by_others, platt
from pipelines.card import write_card
from pipelines.cohort import Case, cohort_sha256, folds_by_patient, label_matrix
from pipelines.cross_validation import OutOfFold, cross_validate, fitted, statistics_of
from pipelines.fit import Images, Recipe, gather, inputs, outputs, start_network
from pipelines.judge import Judged, alarms, evidence, expert_reads, judge, mean_auroc, write_evaluation
from pipelines.metrics import RESAMPLES
from pipelines.outside import outside_images
from pipelines.shut_out import Choice, choose_way, outside_table
from pipelines.task import Task
from triage.models.bundle_files import write_bundle
from triage.models.networks import MapNetwork

said = logging.getLogger("pipelines.train").info
app = typer.Typer(add_completion=False, help="Trains models; each command writes one bundle.")


@dataclass(frozen=True)
class Plan:
    """What a run is asked for."""

    data: Path
    out: Path
    outside: Path | None = None
    """Folder of other data, where there is one."""
    side: int = 256
    folds: int = 5
    device: str = "cpu"
    recipe: Recipe = field(default_factory=Recipe)
    resamples: int = RESAMPLES
    outside_count: int = 200
    """Images of each other kind; half of them choose, half test."""
    probe_only: bool = False
    """Fit the head alone."""


@dataclass(frozen=True)
class Answers:
    """The cross-validation that was kept, and the mean AUROC of each that was tried."""

    kept: OutOfFold
    move_tail: bool
    mean_aurocs: Mapping[str, float]


def train(task: Task, plan: Plan) -> BundleManifest:
    """Train, calibrate, evaluate and write the bundle. Raises TriageError for data that cannot be used."""
    cases = task.read(plan.data)
    labels = label_matrix(cases, tuple(task.targets))
    require_both_kinds(task, labels)
    folds = folds_by_patient(cases, plan.folds, plan.recipe.seed)
    said("%d images of %d patients", len(cases), len({case.patient_id for case in cases}))
    network = start_network(len(task.targets), task.channels, plan.recipe.dropout, plan.recipe.seed)
    spec = task.prepare(plan.side)
    tensors = inputs((task.pixels(case.image) for case in cases), spec)
    images = gather(network, tensors, labels, spec, plan.recipe, plan.device)
    said("the fixed layers have seen them")
    units = units_of(task, cases, labels, folds)
    answers = compare(network, images, folds, units, plan)
    findings, judged = calibrate(task, units, answers.kept, plan)
    final, tail = fitted(network, images, plan.recipe, plan.device, move_tail=answers.move_tail)
    said("fitted to all images")
    strangers = outside_images(folders(task, plan.outside), plan.outside_count, plan.recipe.seed)
    _, features = outputs(tail, images.activations[0], plan.recipe.batch, plan.device)
    choice = choose_way(final, features, labels, answers.kept.distances, strangers, spec, plan.device, task.dressed)
    ood = OodSpec(statistics_sha256="", threshold=choice.threshold, kept=choice.kept)
    manifest = task.manifest(plan.side, plan.recipe.dropout, tuple(findings), ood)
    statistics = statistics_of(features, labels, choice.way)
    written = write_bundle(plan.out, manifest, final, statistics)
    write_evaluation(plan.out, evaluation(task, written, cases, judged, answers, choice, plan))
    write_card(plan.out)
    said("written to %s", plan.out)
    return written


def require_both_kinds(task: Task, labels: NDArray[np.float32]) -> None:
    """Raises TriageError for a finding that no image is known to have, or to lack."""
    for name, column in zip(task.targets, labels.T, strict=True):
        if not (column == 1).any() or not (column == 0).any():
            raise TriageError(f"the data hold no {task.unit} with and without {name}; it cannot be learnt from them")


@dataclass(frozen=True)
class Units:
    """What is judged: each image for itself, or the slices of one patient together as a study."""

    members: tuple[NDArray[np.intp], ...]
    """The images of each."""
    cases: tuple[Case, ...]
    """One image's case for each: patient, source and view are those of all."""
    labels: NDArray[np.float32]
    """(units, findings): 1 where one image has the finding, 0 where none has it, NaN where that is not known."""
    folds: NDArray[np.int64]
    pooled: int

    def logits(self, of_images: NDArray[np.float64]) -> NDArray[np.float64]:
        """(units, findings): the mean of the highest of each, as the product pools slices."""
        return np.stack([np.sort(of_images[some], axis=0)[-self.pooled :].mean(axis=0) for some in self.members])


def units_of(task: Task, cases: Sequence[Case], labels: NDArray[np.float32], folds: NDArray[np.int64]) -> Units:
    """Images, or of a task whose slices are pooled, patients."""
    if task.pooled is None:
        members = [np.array([place]) for place in range(len(cases))]
    else:
        patients = np.array([case.patient_id for case in cases])
        members = [np.flatnonzero(patients == one) for one in np.unique(patients)]
    return Units(
        members=tuple(members),
        cases=tuple(cases[some[0]] for some in members),
        labels=np.stack([labels[some].max(axis=0) for some in members]),
        folds=np.array([folds[some[0]] for some in members]),
        pooled=task.pooled or 1,
    )


def compare(network: MapNetwork, images: Images, folds: NDArray[np.int64], units: Units, plan: Plan) -> Answers:
    """Cross-validates the head alone and with the last blocks; keeps whichever has the better mean AUROC."""
    tried: dict[str, tuple[OutOfFold, bool]] = {}
    for name, move_tail in (("head only", False), ("last blocks and head", True)):
        if move_tail and plan.probe_only:
            continue
        answer = cross_validate(network, images, folds, plan.recipe, plan.device, said, move_tail=move_tail)
        tried[name] = (answer, move_tail)
    means = {name: mean_auroc(units.logits(answer.logits), units.labels) for name, (answer, _) in tried.items()}
    best = max(means, key=lambda name: means[name])
    said("mean AUROC %s: %s is kept", {name: round(value, 4) for name, value in means.items()}, best)
    return Answers(tried[best][0], tried[best][1], means)


def calibrate(
    task: Task, units: Units, kept: OutOfFold, plan: Plan
) -> tuple[list[FindingSpec], dict[str, tuple[Judged, dict[str, Any]]]]:
    """Findings with calibration, operating point and evidence, and every figure behind them."""
    specs, judged = [], {}
    answers = units.logits(kept.logits)
    for column, (name, target) in enumerate(task.targets.items()):
        known = ~np.isnan(units.labels[:, column])
        logits, positive = answers[known, column], units.labels[known, column] == 1
        calibration = platt(logits, positive)
        probabilities = calibrated_by_others(logits, positive, units.folds[known])
        point: OperatingPoint = at_specificity(calibration, logits, positive, target.specificity)
        chosen = [case for case, is_known in zip(units.cases, known, strict=True) if is_known]
        one = Judged(
            finding=name,
            logits=logits,
            probabilities=probabilities,
            acts=point.acts(calibration, logits),
            positive=positive,
            images=np.array([case.image.name for case in chosen]),
            patients=np.array([case.patient_id for case in chosen]),
            sources=np.array([case.source for case in chosen]),
            views=np.array([case.view for case in chosen]),
            read_again=np.array([case.read_again for case in chosen]),
            calibration=calibration,
        )
        figures = judge(one, plan.recipe.seed, plan.resamples)
        proof = evidence(figures, plan.folds, len(set(one.patients)))
        specs.append(target.spec(name, calibration, point.probability, point.words, proof))
        judged[name] = (one, figures)
        said("%s: AUROC %.3f (%.3f to %.3f)", name, proof.auroc, proof.low, proof.high)
    return specs, judged


PLACES = {"chest film": "cxr_nih/images", "head CT": "head_ct/slices", "OCT": "oct"}


def folders(task: Task, outside: Path | None) -> dict[str, Path]:
    """Other kinds of images, and where they lie."""
    if outside is None:
        return {}
    return {kind: outside / PLACES[kind] for kind in task.outside if kind in PLACES}


def evaluation(
    task: Task,
    written: BundleManifest,
    cases: Sequence[Case],
    judged: Mapping[str, tuple[Judged, dict[str, Any]]],
    answers: Answers,
    choice: Choice,
    plan: Plan,
) -> dict[str, Any]:
    """The whole of evaluation.json."""
    data = cohort_sha256(cases)
    software = {name: version(name) for name in ("triage", "torch", "numpy", "opencv-python-headless")}
    recipe = asdict(plan.recipe)
    told = [written.network.weights_sha256, data, json.dumps([software, recipe, plan.side], sort_keys=True)]
    lifting = {finding.name for finding in written.findings if finding.may_lift}
    return {
        "run_id": hashlib.sha256(" ".join(told).encode()).hexdigest()[:16],
        "unit": task.unit,
        "pooled": task.pooled,
        "labels": task.labels,
        "known_limits": list(task.known_limits),
        "bundle": {"name": written.name, "version": written.version, "weights_sha256": written.network.weights_sha256},
        "software": software,
        "device": plan.device,
        "seed": plan.recipe.seed,
        "recipe": recipe | {"side": plan.side, "folds": plan.folds, "resamples": plan.resamples},
        "data": {
            "sha256": data,
            "images": len(cases),
            "patients": len({case.patient_id for case in cases}),
            "age_years": ages(cases),
            "views": counts([case.view for case in cases]),
            "sources": counts([case.source for case in cases]),
            "read_again": sum(case.read_again for case in cases),
            "mined_opacities_read_again": sum(case.read_again and case.mined_opacity for case in cases),
            "mined_opacities_kept": sum(
                case.read_again and case.mined_opacity and case.labels["opacity"] == 1 for case in cases
            ),
        },
        "tried": {name: round(value, 4) for name, value in answers.mean_aurocs.items()},
        "kept": "last blocks and head" if answers.move_tail else "head only",
        "findings": {
            name: figures | {"lifts": name in lifting, "expert_reads": expert_reads(cases, one)}
            for name, (one, figures) in judged.items()
        },
        "alarms": alarms({name: one for name, (one, _) in judged.items()}, lifting, task.overall),
        "distribution": outside_table(choice, task.not_tested),
    }


def ages(cases: Sequence[Case]) -> list[float] | None:
    """The youngest and the oldest, where ages are known."""
    known = [case.age_years for case in cases if not np.isnan(case.age_years)]
    return [min(known), max(known)] if known else None


def counts(names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs."""
    return {name: names.count(name) for name in sorted(set(names))}


@app.callback()
def main() -> None:
    """Trains models; each command writes one bundle."""


Data = Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")]
Out = Annotated[Path, typer.Option(help="Folder of the bundle.")]
Outside = Annotated[
    Path | None, typer.Option(help="Folder of other data, to try what must be refused; next to the data unless given.")
]
OnDevice = Annotated[str, typer.Option(help="cpu or cuda.")]
Side = Annotated[
    int | None,
    typer.Option(help="Side of the network's input in pixels, a multiple of 32; the task's own unless given."),
]
Epochs = Annotated[int, typer.Option(help="Passes over the images for the last blocks.")]
Seed = Annotated[int, typer.Option(help="Everything random follows from it.")]
ProbeOnly = Annotated[bool, typer.Option(help="Fit the linear head alone.")]


@app.command()
def cxr(
    data: Data,
    out: Out,
    outside: Outside = None,
    device: OnDevice = "cpu",
    side: Side = None,
    epochs: Epochs = Recipe.epochs,
    seed: Seed = Recipe.seed,
    probe_only: ProbeOnly = False,
) -> None:
    """The chest-radiograph bundle, from a folder like NIH ChestX-ray14 with a manifest.csv."""
    run(chest.TASK, data, out, outside, device, side, epochs, seed, probe_only=probe_only)


@app.command("head-ct")
def head_ct(
    data: Data,
    out: Out,
    outside: Outside = None,
    device: OnDevice = "cpu",
    side: Side = None,
    epochs: Epochs = Recipe.epochs,
    seed: Seed = Recipe.seed,
    probe_only: ProbeOnly = False,
) -> None:
    """The head-CT bundle, from a folder of labelled slices like CT-ICH."""
    run(head.TASK, data, out, outside, device, side, epochs, seed, probe_only=probe_only)


@app.command()
def oct(
    data: Data,
    out: Out,
    outside: Outside = None,
    device: OnDevice = "cpu",
    side: Side = None,
    epochs: Epochs = Recipe.epochs,
    seed: Seed = Recipe.seed,
    probe_only: ProbeOnly = False,
) -> None:
    """The retinal OCT bundle, from a folder of labelled B-scans."""
    run(retina.TASK, data, out, outside, device, side, epochs, seed, probe_only=probe_only)


def run(
    task: Task,
    data: Path,
    out: Path,
    outside: Path | None,
    device: str,
    side: int | None,
    epochs: int,
    seed: int,
    *,
    probe_only: bool,
) -> None:
    """Trains, or says in one sentence why not."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    recipe = replace(Recipe(), epochs=epochs, seed=seed)
    beside = outside if outside is not None else data.resolve().parent
    plan = Plan(data, out, beside, side=side or task.side, device=device, recipe=recipe, probe_only=probe_only)
    try:
        train(task, plan)
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
