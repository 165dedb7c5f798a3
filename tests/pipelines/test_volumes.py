"""A network for volumes sees a patient's slices at once, and is judged beside the one that sees them one by one."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner

from data_schemas.errors import TriageError
from pipelines import head
from pipelines.cohort import folds_by_patient, label_matrix
from pipelines.compare import Answered, compared, read_answers
from pipelines.metrics import auroc
from pipelines.recipe import Augment, Recipe, Whole, read_recipe
from pipelines.run_folder import write_out_of_fold
from pipelines.train import Run, train
from pipelines.volumes import WholeVolumes, main, scans_of, volumes
from tests.pipelines.drawn import SLICES, write_scans

GENTLE = Augment(turn_deg=3, scale=0.03, aspect=0, shift=0.02, gamma=0, uneven=0, blur=0, sharpen=0, coarser=0)
HOW = Whole(imagenet=False, epochs=1, rate=2e-3, decay_per_stage=1.0, validation=0.2)
RECIPE = Recipe(
    task="head_ct",
    network="resnet18",
    side=32,
    depth=8,
    folds=2,
    variants=2,
    batch=4,
    set_aside=0.0,
    augment=GENTLE,
    dropout=0.0,
    whole=(HOW,),
)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scans(tmp_path_factory.mktemp("scans"))


@pytest.fixture(scope="module")
def ran(scans: Path) -> Path:
    """A finished run."""
    volumes(Run(RECIPE, scans, scans / "volumes"))
    return scans / "volumes"


def fitter(scans: Path, **changes: object) -> WholeVolumes:
    cases, slices = scans_of(head.TASK.read(scans))
    recipe = RECIPE.model_copy(update=changes)
    return WholeVolumes(head.TASK, cases, recipe, recipe.whole[0], "cpu", scans / "pictures", slices)


def write_slices_run(scans: Path) -> Answered:
    """A run of slices by themselves, of the same patients and folds."""
    cases, names, folder = head.TASK.read(scans), tuple(head.TARGETS), scans / "slices_by_themselves"
    labels, folds = label_matrix(cases, names), folds_by_patient(cases, RECIPE.folds, RECIPE.seed)
    folder.mkdir()
    recipe = RECIPE.model_copy(update={"depth": 0, "whole": ()})
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    logits = np.random.default_rng(0).normal(size=labels.shape)
    write_out_of_fold(folder / "out_of_fold.csv", cases, folds, labels, logits, names)
    return read_answers(folder)


def test_bleeds_that_are_plain_to_see_are_learnt(scans: Path) -> None:
    how = HOW.model_copy(update={"epochs": 5})
    one = fitter(scans, whole=(how,))
    rows = np.arange(len(one.cases))
    network = one.fit(rows)
    logits, features = one.outputs(network, rows, 0)
    assert features.shape == (24, 512)
    bleeds = label_matrix(one.cases, tuple(head.TARGETS))[:, 0] == 1
    assert auroc(logits[:, 0].astype(np.float64), bleeds) > 0.8


def test_compare_takes_the_run_beside_one_of_slices(ran: Path, scans: Path) -> None:
    run = read_answers(ran)
    assert len(run.answers.studies) == 24
    rows = compared([write_slices_run(scans), run], resamples=20)
    assert [row.finding for row in rows] == [*head.TARGETS, "mean"]
    assert rows[0].positives == 12
    assert (ran / "curves.png").is_file() and not (ran / "bundle").exists()


def test_a_scan_has_what_one_of_its_slices_has_and_its_slices_in_order(scans: Path) -> None:
    cases, slices = scans_of(head.TASK.read(scans))
    assert [len(some) for some in slices] == [SLICES] * 24
    assert [path.name for path in slices[3]] == [f"003_{place}.png" for place in range(SLICES)]
    assert sum(case.labels["haemorrhage"] for case in cases) == 12


def test_the_input_holds_the_slices_in_order_as_deep_as_the_recipe_says(scans: Path) -> None:
    one, deeper = fitter(scans), fitter(scans, depth=16)
    values = one.read(0)
    assert one.prepared(values).shape == (head.TASK.channels, 8, 32, 32)
    twice = deeper.prepared(values)
    assert twice.shape == (head.TASK.channels, 16, 32, 32)
    bright = twice.mean(axis=(0, 2, 3))
    assert set(np.argsort(bright)[-4:]) == {6, 7, 8, 9}, "the bleed is on slices 3 and 4 of 8"


def test_every_slice_of_a_scan_is_changed_alike(scans: Path) -> None:
    one = fitter(scans, augment=Augment(turn_deg=40, noise=0))
    same = np.repeat(one.read(0)[3:4], 3, axis=0)
    changed = one.changed(same, np.random.default_rng(1))
    assert not np.array_equal(changed[0], same[0])
    assert np.array_equal(changed[0], changed[1]) and np.array_equal(changed[1], changed[2])


def test_slices_of_different_size_are_refused(scans: Path) -> None:
    one = fitter(scans)
    cv2.imwrite(str(scans / "small.png"), np.zeros((40, 40), np.uint8))
    other = WholeVolumes(
        one.task, one.cases, one.recipe, one.how, "cpu", one.folder, [(*one.slices[0][:-1], scans / "small.png")]
    )
    with pytest.raises(TriageError, match="differ in size"):
        other.read(0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"depth": 0}, "needs `depth`"),
        ({"whole": ()}, "and `whole`"),
        ({"task": "oct"}, "no slices that make a volume"),
        ({"network": "vgg16"}, "not there for volumes"),
        ({"whole": (HOW.model_copy(update={"imagenet": True}),)}, "no ImageNet weights of networks for volumes"),
    ],
)
def test_what_cannot_be_is_refused(scans: Path, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(TriageError, match=words):
        volumes(Run(RECIPE.model_copy(update=changes), scans, tmp_path / "run"))


def test_training_a_bundle_refuses_a_network_for_volumes(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(TriageError, match=r"pipelines\.volumes cross-validates one"):
        train(Run(RECIPE, scans, tmp_path / "run"))


def test_the_shipped_recipe_and_the_command(tmp_path: Path) -> None:
    assert read_recipe(Path("head_ct_volumes")).depth
    app = typer.Typer()
    app.command()(main)
    told = CliRunner().invoke(app, ["head_ct_volumes", "--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert told.exit_code == 1 and "manifest.csv is missing" in told.output
