"""`python -m pipelines.evaluate --bundle NAME_OR_DIR --manifest CSV --images DIR --out DIR`: how well a bundle does.

Every image goes the way of `triage.screening.screen`, gates included, so that the figures are the product's. A run that
was stopped goes on where it was: scores of the same bundle, manifest and files are not computed again.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Annotated, TypeVar

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from data_schemas.errors import RefusedFile, TriageError
from data_schemas.evaluation import Changed, Evaluation, LevelFigures, Robustness, Throughput
from data_schemas.score import StudyScreening
from pipelines import assess, manifest, plots, robustness
from pipelines.evaluation_report import report
from pipelines.metrics import RESAMPLES
from pipelines.outcomes import SCORED, Outcome, Record, SliceOutcome, outcome_of, slices_of, unreadable
from pipelines.studies import Cohort, Form, Request, Study, request_of, studies_of
from pipelines.wrapped import how, modality_for
from triage.assembly import gpu_present
from triage.images.decode_pool import DecodePool
from triage.models.bundle import MANIFEST, Bundle, load_bundle
from triage.screening import screen
from triage.settings import MIB, Settings, load_settings

said = logging.getLogger("pipelines.evaluate").info
PREVALENCES = (0.01, 0.05, 0.1, 0.3)
SOFTWARE = ("numpy", "scikit-learn", "onnxruntime", "torch", "captum", "pydicom", "opencv-python-headless")
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Asked:
    """What a run is asked for."""

    bundle: Path
    manifest: Path
    images: Path
    out: Path
    robustness: int = 0
    """How many studies are changed; 0: none."""
    prevalences: tuple[float, ...] = PREVALENCES
    resamples: int = RESAMPLES
    seed: int = 0
    threads: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    settings: Settings = field(default_factory=load_settings)


@dataclass(frozen=True)
class Opened:
    """A bundle and all that screening needs beside it."""

    bundle: Bundle
    pool: DecodePool

    def screen(self, request: Request) -> StudyScreening:
        """One study, maps left aside."""
        return screen(request.to_screen, [self.bundle], self.pool)[0]


def evaluate(asked: Asked) -> Evaluation:
    """Screen what is not scored yet, and write evaluation.json, scores.csv, slices.csv, REPORT.md and figures.

    Raises TriageError for a bundle, a manifest or images that cannot be used.
    """
    with opened(asked) as site:
        bundle = site.bundle
        findings = [finding.name for finding in bundle.manifest.findings]
        rows = manifest.read_manifest(asked.manifest, findings)
        cohort = studies_of(rows, asked.images, bundle.manifest.accepts)
        inputs = inputs_of(cohort, bundle)
        for fault in cohort.faults[: assess.FAULTS_SHOWN]:
            said("%s", fault)
        if not cohort.studies:
            raise TriageError(f"none of the {len(rows)} rows of {asked.manifest} names an image in {asked.images}")
        manifest_sha256 = manifest.sha256_of(asked.manifest)
        software = {"triage": version("triage")} | {name: version(name) for name in SOFTWARE}
        record = Record.open(asked.out, bundle.directory, manifest_sha256, software, findings)
        record.keep(cohort.studies)
        throughput = screen_all(cohort.studies, record, site, asked.threads)
        keys = [(study.rows[0].patient, study.name) for study in cohort.studies]
        outcomes = [record.outcomes[key] for key in keys]
        slices = [one for key in keys for one in record.slices.get(key, [])]
        drawing = assess.Drawing(asked.seed, asked.resamples, asked.prevalences)
        evaluation = Evaluation(
            bundle=bundle.identity,
            triage_json_sha256=hashlib.sha256((bundle.directory / MANIFEST).read_bytes()).hexdigest(),
            manifest=asked.manifest.name,
            manifest_sha256=manifest_sha256,
            software=software,
            seed=asked.seed,
            resamples=asked.resamples,
            prevalences=asked.prevalences,
            inputs=inputs,
            coverage=assess.coverage(outcomes, len(rows), cohort.faults),
            studies=assess.study_figures(outcomes, bundle.manifest, drawing),
            slices=assess.slice_figures(slices, bundle.manifest, drawing),
            notes=assess.notes(outcomes),
            robustness=under_changes(cohort.studies, record.outcomes, site, asked) if asked.robustness else None,
            throughput=throughput,
        )
        write(asked.out, evaluation, figures(asked.out / "figures", evaluation, outcomes, slices))
    return evaluation


@contextmanager
def opened(asked: Asked) -> Iterator[Opened]:
    """The bundle on the runtime that the product would take. Raises BundleError."""
    settings = asked.settings
    on_gpu = settings.runtime != "onnx" and gpu_present()
    bundle = load_bundle(
        asked.bundle,
        settings.cache,
        "torch" if on_gpu or settings.runtime == "torch" else "onnx",
        "cuda" if on_gpu else "cpu",
        threads=None if on_gpu else 1,
    )
    limits = settings.decode_processes, settings.decode_seconds, settings.decode_mib * MIB
    with DecodePool(*limits) as pool:
        yield Opened(bundle, pool)


def inputs_of(cohort: Cohort, bundle: Bundle) -> str:
    """How pictures become DICOM, in words. Raises TriageError where the bundle takes no images they could become."""
    pictures = any(member.form is Form.PICTURE for study in cohort.studies for member in study.members)
    return how(modality_for(bundle.manifest.accepts)) if pictures else ""


def screen_all(studies: Sequence[Study], record: Record, site: Opened, threads: int) -> Throughput | None:
    """Every study that has no outcome yet; None where none was left."""
    findings = record.findings
    left = [study for study in studies if (study.rows[0].patient, study.name) not in record.outcomes]
    said("%d studies, %d of them scored before", len(studies), len(studies) - len(left))

    def one(study: Study) -> tuple[Outcome, list[SliceOutcome]]:
        with TemporaryDirectory(prefix="triage-evaluate-") as folder:
            try:
                request = request_of(study, site.bundle.manifest.accepts, Path(folder))
            except RefusedFile as refusal:
                return unreadable(study, refusal.sentence, findings), []
            for fault in request.faults:
                said("%s", fault)
            screening = site.screen(request)
            return outcome_of(study, request, screening, findings), slices_of(study, request, screening)

    start, images = perf_counter(), 0
    with record:
        for outcome, slices in in_threads(one, left, threads, "screening"):
            record.add(outcome, slices)
            images += outcome.images
    seconds = perf_counter() - start
    if not left:
        return None
    return Throughput(
        studies=len(left),
        images=images,
        seconds=round(seconds, 2),
        studies_per_second=round(len(left) / seconds, 2),
        images_per_second=round(images / seconds, 2),
        threads=threads,
        device=site.bundle.device,
    )


def in_threads(work: Callable[[Given], Made], given: Sequence[Given], threads: int, words: str) -> Iterator[Made]:
    """Results in order, with a progress bar on standard error where that is a terminal."""
    console = Console(stderr=True)
    with ThreadPoolExecutor(threads) as pool, Progress(console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(words, total=len(given))
        for made in pool.map(work, given):
            bar.advance(task)
            yield made


def under_changes(
    studies: Sequence[Study], outcomes: Mapping[tuple[str, str], Outcome], site: Opened, asked: Asked
) -> Robustness:
    """Changes to some of the scored studies, drawn by the seed."""
    scored = [one for one in studies if outcomes[one.rows[0].patient, one.name].status == SCORED]
    order = np.random.default_rng(asked.seed).permutation(len(scored))[: asked.robustness]
    chosen = [scored[place] for place in sorted(order)]
    results = list(in_threads(lambda study: changed(study, site, asked.seed), chosen, asked.threads, "changes"))
    labels = [outcomes[one.rows[0].patient, one.name].labels for one in chosen]
    found: list[Changed] = []
    for place, change in enumerate(robustness.CHANGES):
        before, after = [one.before for one in results], [one.after[place] for one in results]
        found.append(robustness.compared(change.name, change.strength, before, after, labels))
    pairs = [(one.tensor, label) for one, label in zip(results, labels, strict=True) if one.tensor is not None]
    if pairs:
        said("attacks on %d images", len(pairs))
        found += robustness.attacks(site.bundle, [tensor for tensor, _ in pairs], [label for _, label in pairs])
    series = site.bundle.manifest.accepts.volume is not None
    unit = "the slice of each study that leads its score, by the study's labels" if series else "its first scored image"
    return Robustness(studies=len(chosen), unit=unit, changes=tuple(found))


@dataclass(frozen=True)
class UnderChanges:
    """One study before and after each change."""

    before: robustness.Said
    after: tuple[robustness.Said | None, ...]
    tensor: np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None


def changed(study: Study, site: Opened, seed: int) -> UnderChanges:
    """Screened as it is and once for each change."""
    bundle, pool = site.bundle, site.pool
    with TemporaryDirectory(prefix="triage-evaluate-") as folder:
        request = request_of(study, bundle.manifest.accepts, Path(folder))
        screening = site.screen(request)
        before = robustness.of_screening(screening)
        assert before is not None  # only scored studies are changed
        after = []
        for change in robustness.CHANGES:
            with TemporaryDirectory(dir=folder) as target:
                other = robustness.changed_request(request, change, bundle.manifest.prepare, Path(target), pool, seed)
                after.append(robustness.of_screening(site.screen(other)))
        return UnderChanges(before, tuple(after), robustness.attacked_input(request, screening, bundle, pool))


def figures(
    folder: Path, evaluation: Evaluation, outcomes: Sequence[Outcome], slices: Sequence[SliceOutcome]
) -> list[str]:
    """Drawn; gives their names."""
    scored = [one for one in outcomes if one.status == SCORED]
    names = plots.draw_all(folder, evaluation.studies, answers(evaluation.studies, scored))
    if evaluation.slices is not None:
        found = {
            name: assess.answered_slices(slices, name, one.operating_point)
            for name, one in evaluation.slices.findings.items()
        }
        names += plots.draw_all(folder, evaluation.slices, found, "-slices")
    return names


def answers(level: LevelFigures, outcomes: Sequence[Outcome]) -> dict[str, assess.Answered]:
    """By finding."""
    return {name: assess.answered(outcomes, name) for name in level.findings}


def write(folder: Path, evaluation: Evaluation, names: Sequence[str]) -> None:
    """evaluation.json and REPORT.md, each whole or not at all."""
    for name, text in (
        ("evaluation.json", evaluation.model_dump_json(indent=2) + "\n"),
        ("REPORT.md", report(evaluation, names)),
    ):
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


def bundle_folder(name: str, settings: Settings) -> Path:
    """A folder with a manifest, or the shipped bundle of that name. Raises TriageError."""
    for folder in (Path(name), settings.bundles / name):
        if (folder / MANIFEST).is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in settings.bundles.glob(f"*/{MANIFEST}"))) or "none"
    raise TriageError(
        f"there is no bundle {name}: neither a folder with {MANIFEST} nor one of those installed ({known})"
    )


def prevalences_of(given: Sequence[float] | None) -> tuple[float, ...]:
    """In order. Raises TriageError for one that is no share."""
    for value in given or ():
        if not 0 < value < 1:
            raise TriageError(f"--prevalence {value:g} is not between 0 and 1")
    return tuple(sorted(set(given or PREVALENCES)))


def main(
    bundle: Annotated[str, typer.Option(help="Name of an installed bundle, or a bundle's folder.")],
    manifest_: Annotated[
        Path, typer.Option("--manifest", help="Table of images, patients and labels; docs/evaluate.md.")
    ],
    images: Annotated[Path, typer.Option(help="Folder the manifest's images lie in.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; a run that was stopped goes on there.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print evaluation.json on standard output.")] = False,
    robustness_: Annotated[int, typer.Option("--robustness", min=0, help="Change so many studies as well.")] = 0,
    prevalence: Annotated[list[float] | None, typer.Option(help="For PPV and NPV; may be repeated.")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap samples of whole patients.")] = RESAMPLES,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of changes.")] = 0,
) -> None:
    """Evaluate a bundle on a manifest of labelled images; what is written is said in docs/evaluate.md."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pipelines").setLevel(logging.INFO)
    try:
        settings = load_settings()
        asked = Asked(
            bundle=bundle_folder(bundle, settings),
            manifest=manifest_,
            images=images,
            out=out,
            robustness=robustness_,
            prevalences=prevalences_of(prevalence),
            resamples=resamples,
            seed=seed,
            settings=settings,
        )
        evaluation = evaluate(asked)
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(2) from error
    if as_json:
        typer.echo(evaluation.model_dump_json())
    else:
        typer.echo(f"{out / 'REPORT.md'}: {evaluation.coverage.scored} of {evaluation.coverage.studies} studies scored")


if __name__ == "__main__":
    typer.run(main)
