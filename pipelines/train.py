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
from pipelines import chest
from pipelines.calibrate import OperatingPoint, at_specificity, calibrated_by_others, platt
from pipelines.card import write_card
from pipelines.cohort import FINDINGS, Case, cohort_sha256, folds_by_patient, label_matrix, read_cohort
from pipelines.cross_validation import OutOfFold, cross_validate, fitted, statistics_of
from pipelines.evaluate import Judged, alarms, evidence, expert_reads, judge, mean_auroc, write_evaluation
from pipelines.fit import Images, Recipe, gather, inputs, outputs, start_network
from pipelines.metrics import RESAMPLES
from pipelines.outside import outside_images
from pipelines.shut_out import Choice, choose_way, outside_table
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
    """Folder with head_ct/slices and oct, where there is one."""
    side: int = 256
    folds: int = 5
    device: str = "cpu"
    recipe: Recipe = field(default_factory=Recipe)
    resamples: int = RESAMPLES
    outside_count: int = 200
    """Images of each kind that is no chest radiograph; half of them choose, half test."""
    probe_only: bool = False
    """Fit the head alone."""


@dataclass(frozen=True)
class Answers:
    """The cross-validation that was kept, and the mean AUROC of each that was tried."""

    kept: OutOfFold
    move_tail: bool
    mean_aurocs: Mapping[str, float]


def train_chest(plan: Plan) -> BundleManifest:
    """Train, calibrate, evaluate and write the chest bundle. Raises TriageError for data that cannot be used."""
    cases = read_cohort(plan.data, min_age_years=chest.MIN_AGE_YEARS)
    labels = label_matrix(cases, FINDINGS)
    require_both_kinds(labels)
    folds = folds_by_patient(cases, plan.folds, plan.recipe.seed)
    said("%d films of %d patients", len(cases), len({case.patient_id for case in cases}))
    network = start_network(len(FINDINGS), 1, plan.recipe.dropout, plan.recipe.seed)
    spec = chest.prepare_spec(plan.side)
    images = gather(network, inputs(cases, spec), labels, spec, plan.recipe, plan.device)
    said("the fixed layers have seen them")
    answers = compare(network, images, folds, plan)
    findings, judged = calibrate(cases, labels, folds, answers.kept, plan)
    final, tail = fitted(network, images, plan.recipe, plan.device, move_tail=answers.move_tail)
    said("fitted to all films")
    strangers = outside_images(folders(plan.outside), plan.outside_count, plan.recipe.seed)
    _, features = outputs(tail, images.activations[0], plan.recipe.batch, plan.device)
    choice = choose_way(final, features, labels, answers.kept.distances, strangers, spec, plan.device)
    ood = OodSpec(statistics_sha256="", threshold=choice.threshold, kept=choice.kept)
    manifest = chest.manifest(plan.side, plan.recipe.dropout, tuple(findings), ood)
    statistics = statistics_of(features, labels, choice.way)
    written = write_bundle(plan.out, manifest, final, statistics)
    write_evaluation(plan.out, evaluation(written, cases, judged, answers, choice, plan))
    write_card(plan.out)
    said("written to %s", plan.out)
    return written


def require_both_kinds(labels: NDArray[np.float32]) -> None:
    """Raises TriageError for a finding that no film is known to have, or to lack."""
    for name, column in zip(FINDINGS, labels.T, strict=True):
        if not (column == 1).any() or not (column == 0).any():
            raise TriageError(f"the data hold no films with and without {name}; it cannot be learnt from them")


def compare(network: MapNetwork, images: Images, folds: NDArray[np.int64], plan: Plan) -> Answers:
    """Cross-validates the head alone and with the last blocks; keeps whichever has the better mean AUROC."""
    tried: dict[str, tuple[OutOfFold, bool]] = {}
    for name, move_tail in (("head only", False), ("last blocks and head", True)):
        if move_tail and plan.probe_only:
            continue
        answer = cross_validate(network, images, folds, plan.recipe, plan.device, said, move_tail=move_tail)
        tried[name] = (answer, move_tail)
    means = {name: mean_auroc(answer.logits, images.labels) for name, (answer, _) in tried.items()}
    best = max(means, key=lambda name: means[name])
    said("mean AUROC %s: %s is kept", {name: round(value, 4) for name, value in means.items()}, best)
    return Answers(tried[best][0], tried[best][1], means)


def calibrate(
    cases: Sequence[Case], labels: NDArray[np.float32], folds: NDArray[np.int64], kept: OutOfFold, plan: Plan
) -> tuple[list[FindingSpec], dict[str, tuple[Judged, dict[str, Any]]]]:
    """Findings with calibration, operating point and evidence, and every figure behind them."""
    specs, judged = [], {}
    for column, name in enumerate(FINDINGS):
        known = ~np.isnan(labels[:, column])
        logits, positive = kept.logits[known, column], labels[known, column] == 1
        calibration = platt(logits, positive)
        probabilities = calibrated_by_others(logits, positive, folds[known])
        point: OperatingPoint = at_specificity(calibration, logits, positive, chest.CHEST_FINDINGS[name].specificity)
        chosen = [case for case, is_known in zip(cases, known, strict=True) if is_known]
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
        )
        figures = judge(one, plan.recipe.seed, plan.resamples)
        proof = evidence(figures, plan.folds, len(set(one.patients)))
        specs.append(chest.finding_spec(name, calibration, point.probability, point.words, proof))
        judged[name] = (one, figures)
        said("%s: AUROC %.3f (%.3f to %.3f)", name, proof.auroc, proof.low, proof.high)
    return specs, judged


def folders(outside: Path | None) -> dict[str, Path]:
    """Kinds of images that are no chest radiographs, and where they lie."""
    return {} if outside is None else {"head CT": outside / "head_ct" / "slices", "OCT": outside / "oct"}


def evaluation(
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
        "bundle": {"name": written.name, "version": written.version, "weights_sha256": written.network.weights_sha256},
        "software": software,
        "device": plan.device,
        "seed": plan.recipe.seed,
        "recipe": recipe | {"side": plan.side, "folds": plan.folds, "resamples": plan.resamples},
        "data": {
            "sha256": data,
            "images": len(cases),
            "patients": len({case.patient_id for case in cases}),
            "age_years": [min(case.age_years for case in cases), max(case.age_years for case in cases)],
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
        "alarms": alarms({name: one for name, (one, _) in judged.items()}, lifting),
        "distribution": outside_table(choice),
    }


def counts(names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs."""
    return {name: names.count(name) for name in sorted(set(names))}


@app.callback()
def main() -> None:
    """Trains models; each command writes one bundle."""


@app.command()
def cxr(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and images.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    outside: Annotated[
        Path | None, typer.Option(help="Folder with head_ct/slices and oct; next to the data unless given.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    side: Annotated[int, typer.Option(help="Side of the network's input in pixels, a multiple of 32.")] = Plan.side,
    epochs: Annotated[int, typer.Option(help="Passes over the films for the last blocks.")] = Recipe.epochs,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = Recipe.seed,
    probe_only: Annotated[bool, typer.Option(help="Fit the linear head alone.")] = False,
) -> None:
    """The chest-radiograph bundle, from a folder like NIH ChestX-ray14 with a manifest.csv."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    recipe = replace(Recipe(), epochs=epochs, seed=seed)
    beside = outside if outside is not None else data.resolve().parent
    plan = Plan(data, out, beside, side=side, device=device, recipe=recipe, probe_only=probe_only)
    try:
        train_chest(plan)
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error


if __name__ == "__main__":
    app()
