"""A run folder becomes a bundle: the same answers, whole or not at all."""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import typer
from typer.testing import CliRunner

from data_schemas.errors import TriageError
from pipelines.export import export
from pipelines.monai_check import verify_metadata
from tests.models import tiny
from tests.pipelines.foreign_files import write_films
from triage.models.bundle import load_bundle, read_manifest


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training leaves."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    made = tiny.write(folder / "bundle", tiny.manifest("small_cnn"))
    (folder / "bundle" / "evaluation.json").write_text(json.dumps(tiny.evaluation(made) | {"seed": 3}))
    (folder / "bundle" / "CARD.md").write_text("# A card\n")
    return folder


@pytest.fixture
def copy(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


@pytest.fixture(scope="module")
def exported(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One export through the command, with 8-bit weights, and what it printed."""
    folder = tmp_path_factory.mktemp("exported")
    app = typer.Typer()
    app.command()(importlib.import_module("pipelines.export").main)
    films = write_films(folder / "films")
    arguments = ["--run", run_folder, "--out", folder / "tiny", "--images", films, "--int8"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return folder / "tiny", result.output


def test_the_bundle_loads_lifts_and_answers_as_the_run(
    run_folder: Path, exported: tuple[Path, str], tmp_path: Path
) -> None:
    bundle = load_bundle(exported[0], tmp_path, "torch")
    assert [finding.may_lift for finding in bundle.manifest.findings] == [True, False, True]
    model = tiny.network(tiny.manifest("small_cnn"))
    batch = tiny.batch(bundle.manifest, 2)
    with torch.no_grad():
        expected = model(torch.from_numpy(batch))[0].numpy()
    np.testing.assert_allclose(bundle.score(batch).logits, expected, atol=0.02)
    evaluation = json.loads((exported[0] / "evaluation.json").read_text())
    assert evaluation["seed"] == 3
    assert evaluation["bundle"]["weights_sha256"] == bundle.manifest.network.weights_sha256
    assert (exported[0] / "CARD.md").read_text() == "# A card\n"
    assert not list(exported[0].parent.glob(".*"))


def test_runtimes_are_compared_and_int8_says_what_it_loses(exported: tuple[Path, str]) -> None:
    rows = json.loads((exported[0] / "runtimes.json").read_text())
    assert [row["runtime"] for row in rows] == ["torch float32", "ONNX float32", "ONNX int8"]
    assert all(f"| {row['runtime']} |" in exported[1] for row in rows)
    assert rows[0]["largest_logit_difference"] == 0
    assert rows[1]["largest_logit_difference"] < 1e-4
    assert 0 < rows[2]["largest_logit_difference"] < 1
    assert rows[2]["megabytes"] < 0.6 * rows[1]["megabytes"]
    assert {row["images"] for row in rows} == {12}


def test_the_int8_network_answers_near_the_float_one(exported: tuple[Path, str], tmp_path: Path) -> None:
    bundle = load_bundle(exported[0], tmp_path, "torch")
    session = onnxruntime.InferenceSession(exported[0] / "edge" / "int8.onnx", providers=["CPUExecutionProvider"])
    batch = np.concatenate([tiny.batch(bundle.manifest, 1), np.zeros((1, 1, tiny.SIDE, tiny.SIDE), np.float32)])
    found = session.run(["logits"], {"input": batch})[0]
    assert found.shape == (2, 3)
    assert np.isfinite(found).all()


def test_monais_own_check_of_the_metadata_is_asked(exported: tuple[Path, str], tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": ["version", "network_data_format"]}))
    verify_metadata(exported[0], schema)
    schema.write_text(json.dumps({"type": "object", "required": ["never"]}))
    with pytest.raises(TriageError, match="MONAI's schema does not take its metadata"):
        verify_metadata(exported[0], schema)


@pytest.mark.parametrize(
    "name", ["triage.json", "models/weights.safetensors", "models/ood.safetensors", "evaluation.json"]
)
def test_a_file_that_is_missing_is_named(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / "bundle" / name).unlink()
    with pytest.raises(TriageError, match=rf"Bundle bundle: .*{name} cannot be read \(No such file"):
        export(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_was_stopped_before_its_card_is_no_bundle_yet(copy: Path, tmp_path: Path) -> None:
    (copy / "bundle" / "CARD.md").unlink()
    with pytest.raises(TriageError, match=r"has no CARD\.md: the run was stopped before its end; start it again"):
        export(copy, tmp_path / "out")


def test_an_evaluation_of_other_weights_is_refused_and_an_older_bundle_stays(
    copy: Path, exported: tuple[Path, str], tmp_path: Path
) -> None:
    older = Path(shutil.copytree(exported[0], tmp_path / "out"))
    evaluation = json.loads((copy / "bundle" / "evaluation.json").read_text())
    (copy / "bundle" / "evaluation.json").write_text(json.dumps(evaluation | {"bundle": {"weights_sha256": "0" * 64}}))
    with pytest.raises(TriageError, match=r"evaluation\.json speaks of other weights"):
        export(copy, older)
    assert read_manifest(older) == read_manifest(exported[0])
    assert not list(tmp_path.glob(".*"))


def test_evidence_that_the_evaluation_does_not_hold_is_not_exported(copy: Path, tmp_path: Path) -> None:
    evaluation = json.loads((copy / "bundle" / "evaluation.json").read_text())
    evaluation["findings"]["effusion"]["auroc"]["low"] = 0.66
    (copy / "bundle" / "evaluation.json").write_text(json.dumps(evaluation))
    with pytest.raises(TriageError, match=r"effusion: triage\.json states 0\.75 as its lower bound"):
        export(copy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_int8_without_images_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TriageError, match="8-bit weights need images"):
        export(run_folder, tmp_path / "out", int8=True)
