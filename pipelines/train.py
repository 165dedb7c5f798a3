"""`python -m pipelines.train RECIPE --data DIR --out RUN`: labelled images become a bundle with its evidence and card.

RECIPE is a YAML file of pipelines.recipe.Recipe, or the name of a shipped one: cxr, head_ct, oct. A run that was
interrupted goes on when it is started again. The same recipe, data, software and device give the same bundle.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from data_schemas.bundle import BundleManifest, FindingSpec, NetworkSpec, OodSpec
from data_schemas.errors import TriageError
from pipelines import chest, head, retina
from pipelines.card import write_card
from pipelines.cohort import (
    Case,
    ages,
    cohort_sha256,
    counts,
    folds_by_patient,
    groups_of,
    label_matrix,
    patients,
    patients_of,
    set_aside,
)
from pipelines.confirm import confirm
from pipelines.cross_validation import Fitter, OutOfFold, cross_validate, statistics_of
from pipelines.curves import curves_of, draw_curves
from pipelines.elsewhere import elsewhere
from pipelines.fit import Rows, Tail, features_of, start_network
from pipelines.judge import (
    Judged,
    alarms,
    areas,
    averaging,
    evidence,
    expert_reads,
    judge,
    mean_auroc,
    write_evaluation,
)
from pipelines.last_blocks import LastBlocks
from pipelines.outside import outside_images
from pipelines.recipe import Recipe, changes_of, read_recipe
from pipelines.recipe import Tail as TailRecipe
from pipelines.run_folder import BUNDLE, OUT_OF_FOLD, PRETRAINED, opened_run, write_out_of_fold
from pipelines.scaling import SCALINGS, at_specificity, calibrated, calibrated_by_others
from pipelines.shut_out import Choice, choose_way, outside_table
from pipelines.starting_weights import starting_words
from pipelines.task import Task
from pipelines.units import Units, slices_of, units_of
from pipelines.variants import gather
from pipelines.whole import WholeNetwork
from triage.models.bundle_files import write_bundle

said = logging.getLogger("pipelines.train").info
TASKS: Mapping[str, Task] = {task.name: task for task in (chest.TASK, head.TASK, retina.TASK)}
PLACES = {"chest film": "cxr_nih/images", "head CT": "head_ct/slices", "OCT": "oct"}
"""Where other kinds of images lie, below the folder of other data."""
HEAD_ONLY = "head only"
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="name=value: one value of the recipe, changed. May be repeated.")
]
TensorBoard = Annotated[bool, typer.Option(help="Learning curves for TensorBoard too (pip install tensorboard).")]


@dataclass(frozen=True)
class Run:
    """What is trained, from what, where to."""

    recipe: Recipe
    data: Path
    out: Path
    outside: Path | None = None
    """Folder of other data, to try what must be refused."""
    device: str = "cpu"
    tensorboard: bool = False
    variants: Path | None = None
    """Where what the fixed layers gave is kept, and taken from where it is there; in the run's folder unless given."""

    @property
    def task(self) -> Task:
        """Raises TriageError for a task that there is not."""
        if self.recipe.task not in TASKS:
            raise TriageError(f"there is no task {self.recipe.task!r}; there are {', '.join(TASKS)}")
        return TASKS[self.recipe.task]


@dataclass(frozen=True)
class Answers:
    """The cross-validation that was kept, and the mean AUROC of each that was tried."""

    kept: OutOfFold
    way: str
    fitter: Fitter
    mean_aurocs: Mapping[str, float]


@dataclass(frozen=True)
class Seen:
    """Some of the patients: their images by place among all, what is known of them, and what is judged of them."""

    cases: tuple[Case, ...]
    rows: Rows
    labels: NDArray[np.float32]
    """(images, findings)"""
    folds: NDArray[np.int64]
    """(images,)"""
    units: Units


def train(run: Run) -> BundleManifest:
    """Train, calibrate, evaluate and write the bundle. Raises TriageError for data that cannot be used."""
    task, recipe = run.task, run.recipe
    if recipe.depth:
        raise TriageError(
            "a bundle holds no network for volumes; pipelines.volumes cross-validates one, or leave `depth` out"
        )
    cases = task.read(run.data)
    with opened_run(run.out, recipe, cases):
        aside = set_aside(cases, recipe.set_aside)
        said("%d images of %d patients, %d images set aside", len(cases), patients(cases), aside.sum())
        seen, held = part_of(task, cases, ~aside, recipe), part_of(task, cases, aside, recipe)
        require_both_kinds(task, seen)
        answers = compare(fitters(cases, run), seen, run)
        findings = tuple(task.targets)
        write_out_of_fold(run.out / OUT_OF_FOLD, seen.cases, seen.folds, seen.labels, answers.kept.logits, findings)
        return conclude(seen, held, answers, run)


def fitters(cases: Sequence[Case], run: Run) -> dict[str, Fitter]:
    """The ways that the recipe asks for, by what they are called."""
    task, recipe = run.task, run.recipe
    if recipe.whole:
        return {
            f"whole network, {number}": WholeNetwork(task, cases, recipe, how, run.device, run.out / "pictures")
            for number, how in enumerate(recipe.whole, 1)
        }
    network = start_network(recipe, len(task.targets), task.channels)
    with counted("images seen by the fixed layers", recipe.variants * len(cases)) as ticked:
        images = gather(task, cases, network, recipe, run.variants or run.out / "variants", run.device, ticked)
    ways: dict[str, TailRecipe | None] = {HEAD_ONLY: None}
    ways |= {f"last blocks and head, {number}": how for number, how in enumerate(recipe.tails, 1)}
    before, features = "pretrained, ", None
    if recipe.pretraining is None:
        tail = Tail(network, recipe.fixed_blocks).eval()
        before, features = "", features_of(tail, images, np.arange(len(cases)), recipe.batch, run.device)
    return {
        before + way: LastBlocks(network, images, recipe, how, run.device, run.out / PRETRAINED, features)
        for way, how in ways.items()
    }


def conclude(seen: Seen, held: Seen, answers: Answers, run: Run) -> BundleManifest:
    """The final network of all patients but those set aside, its evidence, gate, confirmation and card."""
    task, recipe, fitter = run.task, run.recipe, answers.fitter
    findings, judged = calibrate(task, seen, answers.kept, recipe)
    final = fitter.fit(seen.rows)
    said("fitted to all images that were not set aside")
    strangers = outside_images(folders(task, run.outside), recipe.strangers, recipe.seed)
    _, features = fitter.outputs(final, seen.rows, 0)
    spec = task.prepare(recipe.side)
    choice = choose_way(final, features, seen.labels, answers.kept.distances, strangers, spec, run.device, task.dressed)
    ood = OodSpec(statistics_sha256="", threshold=choice.threshold, kept=choice.kept)
    net = NetworkSpec(name=recipe.network, arguments={"dropout": recipe.dropout}, weights_sha256="", map_layer="")
    manifest = task.manifest(recipe.side, net, tuple(findings), ood)
    began = starting_words(recipe, not isinstance(fitter, WholeNetwork) or fitter.how.imagenet)
    manifest = manifest.model_copy(update={"origin": f"{manifest.origin} {began}"})
    written = write_bundle(run.out / BUNDLE, manifest, final, statistics_of(features, seen.labels, choice.way))
    told = evaluation(run, written, seen, judged, answers, choice)
    write_evaluation(run.out / BUNDLE, told)  # without it the bundle claims what nothing shows, and does not load
    confirmed = confirm(run.out / BUNDLE, held.cases, run.data, run.out, recipe)
    write_evaluation(run.out / BUNDLE, told | {"confirmed": confirmed})
    write_card(run.out / BUNDLE)
    draw_curves(run.out)
    said("written to %s", run.out / BUNDLE)
    return written


def part_of(task: Task, cases: Sequence[Case], chosen: NDArray[np.bool_], recipe: Recipe) -> Seen:
    """The chosen images and what is judged of them."""
    some = tuple(case for case, wanted in zip(cases, chosen, strict=True) if wanted)
    labels = label_matrix(some, tuple(task.targets))
    folds = folds_by_patient(some, recipe.folds, recipe.seed)
    return Seen(some, np.flatnonzero(chosen), labels, folds, units_of(task, some, labels, folds))


def require_both_kinds(task: Task, seen: Seen) -> None:
    """Raises TriageError for a finding that no image is known to have, or to lack."""
    for name, images, units in zip(task.targets, seen.labels.T, seen.units.labels.T, strict=True):
        for column in (images, units):
            if not (column == 1).any() or not (column == 0).any():
                raise TriageError(
                    f"the data hold no {task.unit} with and without {name}; it cannot be learnt from them"
                )


def compare(ways: Mapping[str, Fitter], seen: Seen, run: Run) -> Answers:
    """Cross-validates each way and keeps the one of the best mean AUROC."""
    tried, means = {}, {}
    for way, fitter in ways.items():
        folder = run.out / "answers" / way.replace(",", "").replace(" ", "_")
        curves = curves_of(run.out, way, tensorboard=run.tensorboard)
        tried[way] = cross_validate(fitter, seen.rows, seen.labels, seen.folds, patients_of(seen.cases), folder, curves)
        means[way] = mean_auroc(seen.units.logits(tried[way].logits), seen.units.labels)
        copied = mean_auroc(seen.units.logits(tried[way].averaged), seen.units.labels)
        said("%s: mean AUROC %.4f, averaged over %d changed copies %.4f", way, means[way], fitter.variants - 1, copied)
    best = max(means, key=lambda way: means[way])
    said("%s is kept", best)
    return Answers(tried[best], best, ways[best], means)


def calibrate(
    task: Task, seen: Seen, kept: OutOfFold, recipe: Recipe
) -> tuple[list[FindingSpec], dict[str, tuple[Judged, dict[str, Any]]]]:
    """Findings with calibration, operating point and evidence, and every figure behind them."""
    specs, judged = [], {}
    units, scaling = seen.units, SCALINGS[recipe.calibration]
    answers = units.logits(kept.logits)
    for column, (name, target) in enumerate(task.targets.items()):
        known = ~np.isnan(units.labels[:, column])
        logits, positive = answers[known, column], units.labels[known, column] == 1
        calibration = scaling(logits, positive)
        probabilities = calibrated_by_others(logits, positive, units.folds[known], scaling)
        point = at_specificity(calibration, logits, positive, target.specificity)
        acts = point.acts(calibration, logits)
        one = replace(judged_units(name, units, column, answers, probabilities, acts), calibration=calibration)
        figures = judge(one, recipe.seed, recipe.resamples)
        if task.pooled is not None:
            figures["slices"] = slice_figures(seen, kept, column, recipe)
        how = f"{recipe.folds}-fold cross-validation by patient ({len(set(one.patients))} patients)"
        proof = evidence(figures, how)
        specs.append(target.spec(name, calibration, point.probability, point.words, proof))
        judged[name] = (one, figures)
        said("%s: AUROC %.3f (%.3f to %.3f)", name, proof.auroc, proof.low, proof.high)
    return specs, judged


def judged_units(
    name: str,
    units: Units,
    column: int,
    logits: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    acts: NDArray[np.bool_],
) -> Judged:
    """One finding's answers on the units whose label is known; `logits` of all units, the others of those known."""
    known = ~np.isnan(units.labels[:, column])
    chosen = [case for case, is_known in zip(units.cases, known, strict=True) if is_known]
    return Judged(
        finding=name,
        logits=logits[known, column],
        probabilities=probabilities,
        acts=acts,
        positive=units.labels[known, column] == 1,
        images=np.array([case.image.as_posix() for case in chosen]),
        patients=np.array([case.patient_id for case in chosen]),
        sources=np.array([case.source for case in chosen]),
        views=np.array([case.view for case in chosen]),
        read_again=np.array([case.read_again for case in chosen]),
        groups=groups_of(chosen),
    )


def slice_figures(seen: Seen, kept: OutOfFold, column: int, recipe: Recipe) -> dict[str, Any]:
    """How well single slices are told, whose network did not see the patient."""
    units = slices_of(seen.cases, seen.labels, seen.folds)
    none = np.zeros(int((~np.isnan(seen.labels[:, column])).sum()))
    return areas(judged_units("", units, column, kept.logits, none, none > 0), recipe.seed, recipe.resamples)


def evaluation(
    run: Run,
    written: BundleManifest,
    seen: Seen,
    judged: Mapping[str, tuple[Judged, dict[str, Any]]],
    answers: Answers,
    choice: Choice,
) -> dict[str, Any]:
    """All of evaluation.json that cross-validation tells."""
    task, recipe, cases = run.task, run.recipe, seen.cases
    data = cohort_sha256(cases)
    software = {name: version(name) for name in ("triage", "torch", "monai", "numpy", "opencv-python-headless")}
    asked = recipe.model_dump(mode="json")
    told = [written.network.weights_sha256, data, json.dumps([software, asked], sort_keys=True)]
    lifting = {finding.name for finding in written.findings if finding.may_lift}
    folder = run.out / "answers" / "elsewhere"
    acts = {
        finding.name: calibrated(finding.calibration, logits) >= finding.operating_point
        for finding, logits in zip(written.findings, answers.kept.logits.T.astype(np.float64), strict=True)
    }
    abroad = elsewhere(answers.fitter, cases, seen.rows, seen.labels, tuple(task.targets), recipe, folder)
    return {
        "run_id": hashlib.sha256(" ".join(told).encode()).hexdigest()[:16],
        "unit": task.unit,
        "pooled": task.pooled,
        "labels": task.labels,
        "known_limits": list(task.known_limits),
        "bundle": {"name": written.name, "version": written.version, "weights_sha256": written.network.weights_sha256},
        "software": software,
        "device": run.device,
        "seed": recipe.seed,
        "recipe": asked,
        "data": {
            "sha256": data,
            "images": len(cases),
            "patients": patients(cases),
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
        "kept": answers.way,
        "averaging": averaging(seen.units, answers.kept, recipe),
        "findings": {
            name: figures
            | {"elsewhere": abroad[name], "lifts": name in lifting}
            | {"expert_reads": expert_reads(cases, name, acts[name])}
            for name, (_, figures) in judged.items()
        },
        "alarms": alarms({name: one for name, (one, _) in judged.items()}, lifting, task.overall),
        "distribution": outside_table(choice, task.not_tested),
    }


def folders(task: Task, outside: Path | None) -> dict[str, Path]:
    """Other kinds of images, and where they lie."""
    if outside is None:
        return {}
    return {kind: outside / PLACES[kind] for kind in task.outside if kind in PLACES}


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of progress on standard error."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task(what, total=total)
        yield lambda count: bar.advance(line, count)


def main(
    recipe: Annotated[Path, typer.Argument(help="YAML file, or the name of a shipped recipe: cxr, head_ct, oct.")],
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; the bundle lies in it.")],
    outside: Annotated[
        Path | None,
        typer.Option(help="Folder of other data that must be refused; the one above the data unless given."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    change: Changes = None,
    variants: Annotated[
        Path | None,
        typer.Option(help="Folder for what the fixed layers gave; runs that differ after them may share it."),
    ] = None,
    tensorboard: TensorBoard = False,
) -> None:
    """Trains a model, or says in one sentence why not."""
    try:
        beside = outside if outside is not None else data.resolve().parent
        train(Run(read_recipe(recipe, changes_of(change or [])), data, out, beside, device, tensorboard, variants))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    typer.run(main)
