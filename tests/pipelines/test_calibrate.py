"""`python -m pipelines.calibrate`: what each scaling of a run is worth, on patients it was not fitted to."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss
from typer import Typer
from typer.testing import CliRunner

from pipelines.calibrate import main
from pipelines.compare import read_answers
from pipelines.scaling import SCALINGS, calibrated_by_others
from tests.pipelines.runs import FINDINGS, write_run

app = Typer()
app.command()(main)


def command(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 1.5)


def test_every_scaling_is_judged_by_patients_it_was_not_fitted_to(run):
    rows = [json.loads(line) for line in command("--run", run, "--json").splitlines()]
    assert [(row["finding"], row["scaling"]) for row in rows] == [(one, name) for one in FINDINGS for name in SCALINGS]
    known = read_answers(run).answers.known("opacity")
    for row in rows[:3]:
        stated = calibrated_by_others(known.logits, known.positive, known.folds, SCALINGS[row["scaling"]])
        assert row["brier"] == pytest.approx(brier_score_loss(known.positive, stated), abs=1e-4)
        assert row["log_loss"] == pytest.approx(log_loss(known.positive, stated), abs=1e-4)
        assert (row["studies"], row["positives"]) == (len(known.positive), known.positive.sum())
        assert 0 <= row["ece"] < 0.2


def test_the_table_says_which_one_the_run_used_and_where_the_diagram_lies(run):
    text = command("--run", run)
    assert text.count("| opacity (") == text.count("| abnormal (") == 3
    assert "the recipe asks for platt" in text
    diagram = run / "calibration.svg"
    assert str(diagram) in text
    drawn = diagram.read_text()
    assert all(f">{word}<" in drawn for word in (*FINDINGS, *SCALINGS))


def test_slices_of_one_patient_are_judged_as_one_study(tmp_path):
    scans = write_run(tmp_path / "scans", 1.5, task="head_ct")
    row = json.loads(command("--run", scans, "--json").splitlines()[-1])
    assert row["studies"] == len(np.unique(read_answers(scans).answers.patients)) == 120


def test_what_cannot_be_judged_is_said(tmp_path, run):
    assert "holds no out_of_fold.csv" in command("--run", tmp_path, code=1)
    answers = run / "out_of_fold.csv"
    head, *rows = answers.read_text().splitlines()
    answers.write_text("\n".join([head, *(",".join([*row.split(",")[:5], "1", "0.5", "1", "0.5"]) for row in rows)]))
    assert "opacity: the answers hold no image with it, or none without it" in command("--run", run, code=1)
    assert not (run / "calibration.svg").exists()
