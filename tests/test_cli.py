"""The command line, as people and scripts use it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.bundles import write_reader, write_slice_reader
from tests.dicom import dx_file, values_like_a_film
from triage.cli import app, main


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    write_reader(folder / "reader")
    return folder


@pytest.fixture
def home(tmp_path: Path, bundles: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIAGE_BUNDLES", str(bundles))
    folder = tmp_path / "home"
    folder.mkdir()
    (bundles.parent / "cache").mkdir(exist_ok=True)
    (folder / "cache").symlink_to(bundles.parent / "cache", target_is_directory=True)
    return folder


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def films(folder: Path) -> Path:
    dx_file(folder / "routine.dcm", values_like_a_film(80, 70, seed=1))
    dx_file(folder / "stat.dcm", values_like_a_film(80, 70, seed=2), RequestedProcedurePriority="STAT", PatientID="S")
    dx_file(folder / "lateral.dcm", values_like_a_film(80, 70, seed=3), ViewPosition="LL")
    (folder / "letter.pdf").write_bytes(b"%PDF-1.4")
    return folder


def test_screen_gives_every_study_in_reading_order_and_every_refusal(home: Path, tmp_path: Path) -> None:
    answers = lines(run("screen", films(tmp_path / "in"), "--json", "--home", home))
    refusals, rows = answers[:1], answers[1:]
    assert refusals == [
        {"file": str(tmp_path / "in" / "letter.pdf"), "refused": "a PDF document, not an image; ask for the DICOM file"}
    ]
    assert [row["position"] for row in rows] == [1, 2, 3]
    assert rows[0]["ordered_priority"] == "STAT"
    assert set(rows[0]) == {
        "position", "study_instance_uid", "level", "ordered_priority", "screening_status", "reason", "findings",
        "bundle", "bundle_version", "seconds", "series",
    }  # fmt: skip
    assert set(rows[0]["findings"][0]) == {"finding", "probability", "operating_point", "positive", "level"}
    lateral = next(row for row in rows if row["screening_status"] == "not scored")
    assert lateral["reason"] == "not scored: lateral view"
    assert lateral["findings"] == []
    assert lines(run("worklist", "--json", "--home", home)) == rows


def test_a_table_for_people(home: Path, tmp_path: Path) -> None:
    table = run("screen", films(tmp_path / "in"), "--home", home)
    assert "ordered STAT" in table
    assert "PHANTOM^TEST" in table


def test_explain_writes_the_map_on_the_original_pixels(home: Path, tmp_path: Path) -> None:
    rows = lines(run("screen", films(tmp_path / "in"), "--json", "--home", home))[1:]
    uid = rows[0]["study_instance_uid"]
    for method in ("gradcam", "saliency"):
        which = ("--method", method, "--finding", "nodule")
        (written,) = lines(run("explain", uid, *which, "--out", tmp_path / "o", "--json", "--home", home))
        assert np.load(written["map"]).shape == (80, 70)
        assert Path(written["overlay"]).read_bytes()[:4] == b"\x89PNG"
        assert (written["finding"], written["method"]) == ("nodule", method)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["explain", "1.2.3", "--out", "o"], "there is no study 1.2.3"),
        (["worklist"], "TRIAGE_PORT"),
    ],
)
def test_a_fault_is_one_sentence_and_code_two(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    if "PORT" in words:
        monkeypatch.setenv("TRIAGE_PORT", "none")
    monkeypatch.setattr(sys, "argv", ["triage", *arguments, "--home", str(home)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_models_are_listed_and_verified(
    home: Path, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (listed,) = lines(run("models", "--json", "--home", home))
    assert listed["name"] == "reader"
    assert "experimental, does not affect order" in run("models", "--home", home)
    assert lines(run("models", "verify", "--json", "--home", home)) == [
        {"bundle": "reader", "verified": True, "fault": ""}
    ]
    import shutil

    shutil.copytree(bundles, tmp_path / "damaged")
    weights = tmp_path / "damaged" / "reader" / "models" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    monkeypatch.setenv("TRIAGE_BUNDLES", str(tmp_path / "damaged"))
    assert "is not the file of the manifest" in run("models", "verify", "--home", home, code=1)


def test_a_sites_own_point_is_set_listed_acted_from_and_taken_back(home: Path, tmp_path: Path) -> None:
    why = ("--comment", "too many flags", "--home", home)
    assert "set by this site on" in run("models", "set-point", "reader", "effusion", 0.999, *why)
    (listed,) = lines(run("models", "--json", "--home", home))
    assert [finding["operating_point"] for finding in listed["findings"]] == [0.999, 0.4]
    assert listed["set_by_site"]["effusion"]["own"] == 0.4
    assert "the bundle's own 0.40" in run("models", "--home", home)
    row = lines(run("screen", films(tmp_path / "in"), "--json", "--home", home))[-1]
    effusion = next(one for one in row["findings"] if one["finding"] == "effusion")
    assert (effusion["operating_point"], effusion["positive"]) == (0.999, False)
    assert effusion["set_by_site"]["own"] == 0.4
    assert "set by this site" not in run("models", "set-point", "reader", "effusion", "--reset", *why)
    (listed,) = lines(run("models", "--json", "--home", home))
    assert (listed["findings"][0]["operating_point"], listed["set_by_site"]) == (0.4, {})


def test_studies_told_by_another_point_are_counted_and_queued_again_once(home: Path, tmp_path: Path) -> None:
    from triage.assembly import open_site
    from triage.settings import load_settings
    from triage.store.screenings import begin_screening
    from triage.store.worklist import still_pending
    from triage.worker import work_until_done

    rows = lines(run("screen", films(tmp_path / "in"), "--json", "--home", home))[1:]
    scored = [row["study_instance_uid"] for row in rows if row["screening_status"] == "ranked"]
    point = ("models", "set-point", "reader", "effusion", 0.999, "--comment", "too many flags", "--home", home)
    told = CliRunner().invoke(app, [str(word) for word in point], catch_exceptions=False)
    assert "2 studies not read yet with results by what is no longer in force; `triage rescreen`" in told.stderr
    why = "operating point of Effusion 0.400, now 0.999"
    assert f"2 studies to queue: {why}" in run("rescreen", "--dry-run", "--home", home)
    assert lines(run("worklist", "--json", "--home", home)) == rows
    assert lines(run("rescreen", "--json", "--home", home)) == [{"studies": 2, "why": why, "queued": True}]
    assert "no study to queue" in run("rescreen", "--waiting", "--home", home)
    assert lines(run("worklist", "--json", "--home", home)) == rows, "old results and places stay meanwhile"
    settings = load_settings(home=home)
    store = open_site(settings)
    assert set(still_pending(store, scored)) == set(scored)
    work_until_done(store, settings, scored)
    store.engine.dispose()
    after = lines(run("worklist", "--json", "--home", home))
    assert {one["operating_point"] for row in after for one in row["findings"] if one["finding"] == "effusion"} == {
        0.999
    }
    assert "1 study queued: asked for" in run("rescreen", "--study", scored[0], "--home", home)
    assert "no study to queue" in run("rescreen", "--study", scored[0], "--home", home)
    begun = open_site(settings)
    assert begin_screening(begun, scored[0]) is not None
    begun.engine.dispose()
    assert "1 study left out, being screened by what was in force" in run("rescreen", "--dry-run", "--home", home)
    assert "2 studies queued: asked for" in run("rescreen", "--all", "--home", home)


SET_POINT = ("models", "set-point")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rescreen", "--all", "--waiting"], "give one of"),
        (["rescreen", "--all", "--study", "1"], "give one of"),
        (["rescreen", "--study", "1"], "no study 1;"),
        ([*SET_POINT, "reader", "effusion", "0.3"], "say why in a comment"),
        ([*SET_POINT, "reader", "effusion", "1.3", "--comment", "why"], "above 0 and below 1"),
        ([*SET_POINT, "reader", "effusion", "--comment", "why"], "give either a point or --reset"),
        ([*SET_POINT, "reader", "effusion", "0.3", "--reset", "--comment", "why"], "give either a point or --reset"),
        ([*SET_POINT, "reader", "fracture", "0.3", "--comment", "why"], "is not one of reader's: effusion, nodule"),
        ([*SET_POINT, "other", "effusion", "0.3", "--comment", "why"], "installed: reader"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["triage", *arguments, "--home", str(home)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_trail_is_verified(home: Path, tmp_path: Path) -> None:
    run("screen", films(tmp_path / "in"), "--home", home)
    assert lines(run("audit", "verify", "--json", "--home", home))[0]["intact"] is True
    import sqlite3

    with sqlite3.connect(home / "triage.sqlite3") as connection:
        connection.execute("UPDATE trail SET actor = 'nobody' WHERE sequence = 2")
    assert "broken at entry 2" in run("audit", "verify", "--home", home, code=1)


def test_listing_needs_neither_torch_nor_monai(home: Path) -> None:
    code = (
        "import sys; from triage.cli import main; sys.argv = ['triage', 'worklist', '--home', sys.argv[1]]\n"
        "try:\n main()\nexcept SystemExit:\n pass\n"
        "print(sorted({'torch', 'monai', 'captum', 'onnxruntime', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_scoring_on_the_processor_needs_neither_torch_nor_monai(home: Path, tmp_path: Path) -> None:
    films(tmp_path / "in")
    run("screen", tmp_path / "in", "--home", home)  # builds the runtime's file
    for path in home.glob("triage.sqlite3*"):
        path.unlink()
    code = (
        "import sys; from triage.cli import main; sys.argv = ['triage', 'screen', sys.argv[1], '--home', sys.argv[2]]\n"
        "try:\n main()\nexcept SystemExit:\n pass\n"
        "print(sorted({'torch', 'monai', 'captum', 'streamlit', 'dbos'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "in"), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_is_worth_reading() -> None:
    assert "not a medical device" in run("--help")
    for command in ("screen", "worklist", "explain", "models", "audit", "demo", "up", "rescreen"):
        assert len(run(command, "--help")) > 200


@pytest.fixture
def slices(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose only model reads series."""
    write_slice_reader(tmp_path / "bundles" / "slices")
    monkeypatch.setenv("TRIAGE_BUNDLES", str(tmp_path / "bundles"))
    return home


def test_a_series_comes_with_its_facts_and_with_what_is_odd_about_it(slices: Path, shared_data: Path) -> None:
    [row] = lines(run("screen", shared_data / "dicom" / "ge_head_ct", "--json", "--home", slices))
    assert row["screening_status"] == "ranked"
    [series] = row["series"]
    assert (series["scored"], series["not_taken"]) == (True, "")
    facts = series["facts"]
    assert (facts["slices"], facts["rows"], facts["columns"], facts["orientation"]) == (28, 512, 512, "axial")
    assert (facts["tilt_deg"], facts["gaps_mm"], facts["thickness_mm"]) == (18.5, [1.0811, 6.9986], 4.0)
    assert len(facts["affine"]) == 4
    told = {gate["gate"]: gate["sentence"] for gate in series["gates"]}
    assert told["gantry tilt"] == "the gantry was tilted by 18.5 degrees"
    assert told["slice spacing"] == "the distance between slices is uneven: 4.0 mm, then 1.1, then 7.0"


def test_a_series_that_no_model_may_read_names_every_fault(slices: Path, shared_data: Path) -> None:
    [row] = lines(run("screen", shared_data / "dicom" / "ct_slice_increment_d2n", "--json", "--home", slices))
    assert row["screening_status"] == "not scored"
    stopped = [gate["gate"] for gate in row["series"][0]["gates"] if gate["outcome"] == "stopped"]
    assert stopped == ["slice count"]
