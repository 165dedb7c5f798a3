"""An imported model is evaluated on a site's own studies; what was found becomes its evidence, by the rule for all."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from data_schemas.bundle import BundleManifest
from data_schemas.urgency import Level
from pipelines import adopt
from pipelines.evaluate import Asked, evaluate
from tests.bundles import write_reader
from tests.pipelines.drawn import write_cohort
from triage.models.bundle import load_bundle, read_manifest
from triage.models.bundle_files import write_manifest
from triage.models.evidence import unmeasured
from triage.ui import curves, datasheet
from triage.ui.evaluated import Evaluated, read_figures
from triage.ui.views.models import parts_of
from triage.web.words import say_in


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIAGE_HOME", str(tmp_path / "home"))
        patch.setenv("TRIAGE_RUNTIME", "torch")
        yield tmp_path


@pytest.fixture
def images(home: Path) -> Path:
    return write_cohort(home / "films") / "images"


def imported(folder: Path) -> Path:
    """A bundle that claims nothing, as pipelines.import leaves one."""
    manifest = write_reader(folder)
    findings = tuple(one.model_copy(update={"evidence": unmeasured("imported weights")}) for one in manifest.findings)
    write_manifest(folder, manifest.model_copy(update={"findings": findings}))
    (folder / "evaluation.json").unlink()
    return folder


def results(bundle: Path, images: Path, out: Path, effusion: dict[str, int]) -> Path:
    """What evaluate leaves, of films labelled as stated; half of all have a nodule by lot."""
    names = sorted(path.name for path in images.iterdir())[:64]
    lot = np.random.default_rng(0).permutation(64) % 2
    out.mkdir()
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "patient_id", "source", "view", "age", "effusion", "nodule"])
        for place, name in enumerate(names):
            patient, source, view = f"p{place // 2}", ("a", "b")[place % 2], ("PA", "AP")[place // 2 % 2]
            writer.writerow([name, patient, source, view, 50, effusion.get(name, place % 2), int(lot[place])])
    evaluate(Asked(bundle, out / "labels.csv", images, out / "results", resamples=60, threads=2))
    return out / "results"


def scores(folder: Path) -> dict[str, float]:
    with (folder / "scores.csv").open(encoding="utf-8") as file:
        return {row["study"]: float(row["score_effusion"]) for row in csv.DictReader(file)}


def run(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(adopt.main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def told(home: Path, images: Path) -> tuple[Path, Path]:
    """A bundle that tells effusion rightly and nodules by chance, and the results that say so."""
    bundle = imported(home / "theirs")
    found = scores(results(bundle, images, home / "first", {}))
    middle = float(np.median(list(found.values())))
    return bundle, results(bundle, images, home / "second", {name: int(p > middle) for name, p in found.items()})


def test_what_was_found_is_the_evidence_and_a_finding_may_lift_by_the_rule_for_all(
    told: tuple[Path, Path], home: Path
) -> None:
    bundle, found = told
    code, said = run("--bundle", bundle, "--evaluation", found, "--level", "effusion=HIGH")
    assert (code, said) == (0, "theirs: Effusion to HIGH may lift.\n")
    manifest: BundleManifest = load_bundle(bundle, home / "cache", "torch").manifest
    effusion, nodule = manifest.findings
    assert effusion.lifts_to is Level.HIGH and effusion.evidence.auroc == 1 and effusion.evidence.positives == 32
    assert "32 patients of labels.csv, adopted from pipelines.evaluate" in effusion.evidence.method
    assert nodule.lifts_to is None and nodule.evidence.low < 0.7
    with (found / "scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lot, scored = [float(row["label_nodule"]) for row in rows], [float(row["score_nodule"]) for row in rows]
    figures = read_figures(bundle, manifest)
    assert figures["findings"]["nodule"]["auroc"]["value"] == pytest.approx(roc_auc_score(lot, scored), abs=1e-4)
    shown = Evaluated(manifest, figures, say_in("en"))
    assert curves.with_curves(shown) == [effusion, nodule]
    assert any(part.title.startswith("Evidence") for part in parts_of(shown, ""))
    assert "64 images of 32 patients" in datasheet.summary(shown)


def test_a_bundle_is_given_evidence_once_and_only_its_own(told: tuple[Path, Path], home: Path) -> None:
    bundle, found = told
    other = imported(home / "other")
    before = (other / "triage.json").read_bytes()
    code, said = run("--bundle", other, "--evaluation", found)
    assert code == 1 and "speaks of another bundle than" in said
    assert (other / "triage.json").read_bytes() == before and not (other / "evaluation.json").exists()
    code, said = run("--bundle", bundle, "--evaluation", home / "nowhere")
    assert code == 1 and "cannot be read" in said
    for wrong, words in (("pneumonia=HIGH", "has no finding pneumonia"), ("effusion=NOW", "levels are STAT, HIGH")):
        code, said = run("--bundle", bundle, "--evaluation", found, "--level", wrong)
        assert code == 1 and words in said
    assert run("--bundle", bundle, "--evaluation", found)[0] == 0
    code, said = run("--bundle", bundle, "--evaluation", found)
    assert code == 1 and "has its evidence already" in said
    assert not read_manifest(bundle).findings[1].may_lift
