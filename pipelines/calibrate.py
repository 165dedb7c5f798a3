"""`python -m pipelines.calibrate --run RUN`: Platt, temperature and isotonic scaling of a run's answers side by side.

Each is fitted on the answers out of fold of the other folds' patients. A reliability diagram goes to the run's folder.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from data_schemas.errors import TriageError
from pipelines.compare import read_answers
from pipelines.metrics import Bools, Floats, both_kinds, brier, calibration_error, log_loss_of
from pipelines.plots import draw_reliability
from pipelines.run_folder import CALIBRATION, Answers
from pipelines.scaling import SCALINGS, calibrated_by_others

Stated = Mapping[str, tuple[Bools, Mapping[str, Floats]]]
"""By finding: which of the n studies have it, and by scaling the probabilities (n,)."""


@dataclass(frozen=True)
class Row:
    """How true the probabilities of one scaling are; of each figure less is better."""

    finding: str
    studies: int
    positives: int
    scaling: str
    ece: float
    """Expected calibration error, ten bins of equal size."""
    brier: float
    log_loss: float


def stated(answers: Answers) -> Stated:
    """Probabilities by every scaling. Raises TriageError for a finding that all have, or none."""
    told = {}
    for finding in answers.labels:
        one = answers.known(finding)
        if not both_kinds(one.positive):
            raise TriageError(f"{finding}: the answers hold no image with it, or none without it")
        told[finding] = (
            one.positive,
            {name: calibrated_by_others(one.logits, one.positive, one.folds, fit) for name, fit in SCALINGS.items()},
        )
    return told


def compared(told: Stated) -> list[Row]:
    """A row for each finding and scaling."""
    return [
        Row(
            finding=finding,
            studies=len(positive),
            positives=int(positive.sum()),
            scaling=scaling,
            ece=round(calibration_error(probabilities, positive), 4),
            brier=round(brier(probabilities, positive), 4),
            log_loss=round(log_loss_of(probabilities, positive), 4),
        )
        for finding, (positive, by_scaling) in told.items()
        for scaling, probabilities in by_scaling.items()
    ]


def table(rows: Sequence[Row], used: str) -> str:
    """Markdown: a line for each row."""
    lines = ["| finding | scaling | ECE | Brier | log loss |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.finding} ({row.positives} of {row.studies}) | {row.scaling} | {row.ece:.3f} | {row.brier:.3f} | "
        f"{row.log_loss:.3f} |"
        for row in rows
    ]
    note = (
        f"Fitted on the other folds' patients; the recipe asks for {used}. Of every figure less is better. In "
        "brackets: how many have the finding."
    )
    return "\n".join([*lines, "", note])


def main(
    run: Annotated[Path, typer.Option(help="Folder of a training run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Prints calibration error, Brier score and log loss of each scaling, and draws their reliability."""
    try:
        answered = read_answers(run)
        told = stated(answered.answers)
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error
    rows = compared(told)
    draw_reliability(run / CALIBRATION, told)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row), ensure_ascii=False))
        return
    typer.echo(table(rows, answered.recipe.calibration))
    typer.echo(f"Reliability: {run / CALIBRATION}")


if __name__ == "__main__":
    typer.run(main)
