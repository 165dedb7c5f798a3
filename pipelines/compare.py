"""`python -m pipelines.compare RUN RUN ...`: candidates side by side, on the same patients split the same way.

Of each run the answers out of fold are read, whose networks had not seen the patient. Differences from the first run
are bootstrapped in pairs: each sample of patients judges both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.metrics import RESAMPLES, Interval, auroc, patient_bootstrap
from pipelines.recipe import Recipe, read_recipe
from pipelines.run_folder import OUT_OF_FOLD, RECIPE, Answers, read_out_of_fold
from pipelines.train import TASKS

Indices = NDArray[np.intp]
SEED = 20261126


@dataclass(frozen=True)
class Answered:
    """What one run said of patients that it had not seen, study by study."""

    name: str
    recipe: Recipe
    answers: Answers


def read_answers(folder: Path) -> Answered:
    """The answers of a run's folder. Raises TriageError where it is none, or not a complete one."""
    if not (folder / OUT_OF_FOLD).is_file():
        raise TriageError(f"{folder} holds no {OUT_OF_FOLD}; give the folder of a finished training run")
    recipe = read_recipe(folder / RECIPE)
    return Answered(folder.name, recipe, read_out_of_fold(folder, TASKS[recipe.task].pooled))


def require_same(first: Answered, other: Answered) -> None:
    """Raises TriageError where two runs cannot be compared, and says why."""
    if first.recipe.task != other.recipe.task:
        raise TriageError(f"{first.name} is of {first.recipe.task}, {other.name} of {other.recipe.task}")
    one, two = first.answers, other.answers
    if one.studies != two.studies or not np.array_equal(one.folds, two.folds):
        raise TriageError(
            f"{first.name} and {other.name} do not split the same patients in the same way; train them with the same "
            "data, seed, folds and share set aside"
        )


@dataclass(frozen=True)
class Row:
    """One finding: each run's AUROC, and how far each is from the first's."""

    finding: str
    positives: int
    aurocs: tuple[Interval, ...]
    differences: tuple[Interval, ...]
    """Of the second run and those after it."""


def compared(runs: Sequence[Answered], resamples: int = RESAMPLES) -> list[Row]:
    """A row for each finding, and a last one for their mean. Raises TriageError where the runs do not fit together."""
    first = runs[0]
    for other in runs[1:]:
        require_same(first, other)
    rows = [_row(runs, [finding], finding, resamples) for finding in first.answers.labels]
    return [*rows, _row(runs, list(first.answers.labels), "mean", resamples)]


def _row(runs: Sequence[Answered], findings: Sequence[str], name: str, resamples: int) -> Row:
    first = runs[0].answers

    def area(run: Answered) -> Callable[[Indices], float]:
        def measure(i: Indices) -> float:
            found = []
            for finding in findings:
                label = first.labels[finding][i]
                known = ~np.isnan(label)
                found.append(auroc(run.answers.logits[finding][i][known], label[known] == 1))
            return float(np.mean(found))

        return measure

    def interval(measure: Callable[[Indices], float]) -> Interval:
        return patient_bootstrap(measure, first.patients, seed=SEED, resamples=resamples)

    def ahead(other: Answered) -> Callable[[Indices], float]:
        of_other, of_first = area(other), area(runs[0])
        return lambda i: of_other(i) - of_first(i)

    return Row(
        finding=name,
        positives=sum(int((first.labels[finding] == 1).sum()) for finding in findings),
        aurocs=tuple(interval(area(run)) for run in runs),
        differences=tuple(interval(ahead(run)) for run in runs[1:]),
    )


def table(runs: Sequence[Answered], rows: Sequence[Row]) -> str:
    """Markdown: findings down, runs across."""
    heads = [run.name for run in runs] + [f"{run.name} against {runs[0].name}" for run in runs[1:]]
    lines = ["| AUROC out of fold | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for row in rows:
        cells = [f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in row.aurocs]
        cells += [f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})" for one in row.differences]
        lines.append(f"| {row.finding} ({row.positives}) | " + " | ".join(cells) + " |")
    patients = len(set(runs[0].answers.patients.tolist()))
    note = (
        f"{patients} patients in {runs[0].recipe.folds} folds; 95 % intervals draw whole patients, differences in "
        "pairs. In brackets: how many have the finding."
    )
    return "\n".join([*lines, "", note])


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs; the first is what others are held to.")],
    out: Annotated[Path | None, typer.Option(help="Markdown file to write the table to.")] = None,
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = RESAMPLES,
) -> None:
    """Prints the AUROC of every finding in every run, and the differences."""
    try:
        answered = [read_answers(run) for run in runs]
        text = table(answered, compared(answered, resamples))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error
    typer.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
