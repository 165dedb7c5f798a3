import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data_schemas.errors import TriageError
from pipelines.chest import TASK
from pipelines.contrastive import contrast, losses_of
from pipelines.fit import start_network
from pipelines.judge import read_evaluation
from pipelines.last_blocks import LastBlocks
from pipelines.pretrain import pretrain
from pipelines.recipe import Pretraining, Recipe
from pipelines.train import Run, train
from pipelines.variants import gather
from tests.pipelines.drawn import write_cohort
from triage.models.bundle import read_manifest

RECIPE = Recipe(task="cxr", side=64, folds=2, variants=3, batch=16)


def test_variants_of_one_image_come_to_be_alike_and_fixed_blocks_stay(tmp_path):
    cases = TASK.read(write_cohort(tmp_path / "data"))
    network = start_network(RECIPE, len(TASK.targets), TASK.channels)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = gather(TASK, cases, network, RECIPE, tmp_path / "variants", "cpu")
    how, kept = Pretraining(epochs=3, rate=1e-3), tmp_path / "kept.pt"
    losses = contrast(network, images, np.arange(len(cases)), RECIPE, how, "cpu", kept)
    assert losses[-1] < losses[0]
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any(name.startswith(("head.", "trunk._conv_stem")) for name in moved)
    assert {int(name.split(".")[2]) for name in moved if "_blocks" in name} == set(range(RECIPE.fixed_blocks, 16))


def test_stopped_in_between_it_goes_on_behind_the_last_epoch_and_ends_the_same(tmp_path):
    cases = TASK.read(write_cohort(tmp_path / "data"))
    start = start_network(RECIPE, len(TASK.targets), TASK.channels)
    images = gather(TASK, cases, start, RECIPE, tmp_path / "variants", "cpu")
    rows, how, kept = np.arange(len(cases)), Pretraining(epochs=3, rate=1e-3), tmp_path / "kept.pt"
    straight, stopped, other = (copy.deepcopy(start) for _ in range(3))
    losses = contrast(straight, images, rows, RECIPE, how, "cpu", kept)
    assert not kept.exists()

    def stop(epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contrast(stopped, images, rows, RECIPE, how, "cpu", kept, stop)
    epochs = []
    assert contrast(other, images, rows, RECIPE, how, "cpu", kept, lambda epoch, loss: epochs.append(epoch)) == losses
    assert epochs == [3] and not kept.exists()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in straight.state_dict().items())


def test_a_run_may_start_from_what_it_left(tmp_path):
    trunk = pretrain(Run(RECIPE, write_cohort(tmp_path / "data"), tmp_path / "run"), Pretraining(epochs=1, rate=1e-3))
    assert len(losses_of(trunk)) == 1 and (tmp_path / "run" / "curves.png").stat().st_size > 1000
    recipe = RECIPE.model_copy(update={"start": str(trunk)})
    started = start_network(recipe, len(TASK.targets), TASK.channels).trunk.state_dict()
    assert all(torch.equal(started[name], value) for name, value in load_file(trunk).items())


def test_too_few_images_to_compare_are_refused_in_words(tmp_path):
    data = write_cohort(tmp_path / "data", patients=8)
    with pytest.raises(TriageError, match=r"images are fewer than one batch of 16; set a smaller batch"):
        pretrain(Run(RECIPE, data, tmp_path / "run"), Pretraining(epochs=1))


def test_images_that_a_network_is_not_fitted_to_leave_no_trace_in_it(tmp_path):
    cases = TASK.read(write_cohort(tmp_path / "data"))
    recipe = RECIPE.model_copy(update={"pretraining": Pretraining(epochs=1, rate=1e-3)})
    start = start_network(recipe, len(TASK.targets), TASK.channels)
    images = gather(TASK, cases, start, recipe, tmp_path / "variants", "cpu")
    rows, rest = np.arange(20), np.arange(20, len(cases))
    blotted = replace(images, activations=tuple(part.copy() for part in images.activations))
    for part in blotted.activations:
        part[rest] = 7
    fitted = [
        LastBlocks(start, some, recipe, None, "cpu", tmp_path / name).fit(rows).state_dict()
        for name, some in (("a", images), ("b", blotted))
    ]
    assert all(torch.equal(value, fitted[1][name]) for name, value in fitted[0].items())
    assert not torch.equal(fitted[0]["trunk._conv_head.weight"], start.state_dict()["trunk._conv_head.weight"])


def test_a_variant_into_which_a_finding_was_painted_is_not_alike_and_an_image_of_which_no_other_is_left_is_left_out(
    tmp_path,
):
    cases = TASK.read(write_cohort(tmp_path / "data"))
    network = start_network(RECIPE, len(TASK.targets), TASK.channels)
    images = gather(TASK, cases, network, RECIPE, tmp_path / "variants", "cpu")
    labels, activations = images.labels.copy(), tuple(part.copy() for part in images.activations)
    labels[:, :20, 0] = 0
    for variant, painted in ((1, slice(0, 10)), (2, slice(5, 15))):
        labels[variant, painted, 0] = 1
        activations[variant][painted] = np.nan
    for part in activations:
        part[5:10] = np.nan
    some = replace(images, labels=labels, activations=activations)
    how, kept = Pretraining(epochs=2, rate=1e-3), tmp_path / "kept.pt"
    assert np.isfinite(contrast(network, some, np.arange(len(cases)), RECIPE, how, "cpu", kept)).all()


def test_a_recipe_with_it_does_it_once_for_each_fit_and_the_card_says_so(tmp_path):
    changes = {"pretraining": Pretraining(epochs=1, rate=1e-3), "tails": (), "resamples": 40, "batch": 8}
    run = Run(RECIPE.model_copy(update=changes), write_cohort(tmp_path / "data", patients=64), tmp_path / "run")
    train(run)
    trunks = {path.name: path.stat().st_mtime_ns for path in (run.out / "pretrained").iterdir()}
    collections = read_evaluation(run.out / "bundle")["data"]["sources"]
    assert len(trunks) == RECIPE.folds + 1 + len(collections)
    assert set(read_evaluation(run.out / "bundle")["tried"]) == {"pretrained, head only"}
    assert "whose last blocks saw the same images without labels first" in read_manifest(run.out / "bundle").origin
    assert "first moved without labels (SimCLR, 1 passes)" in (run.out / "bundle" / "CARD.md").read_text()
    for answer in (run.out / "answers").rglob("*.npz"):
        answer.unlink()
    train(run)
    assert {path.name: path.stat().st_mtime_ns for path in (run.out / "pretrained").iterdir()} == trunks


def test_a_start_that_is_none_is_refused_in_words(tmp_path):
    other = tmp_path / "trunk.safetensors"
    with pytest.raises(TriageError, match=r"trunk\.safetensors cannot be read"):
        start_network(RECIPE.model_copy(update={"start": str(other)}), 7, 1)
    other.write_bytes(b"no tensors here")
    with pytest.raises(TriageError, match="is no trunk of this network"):
        start_network(RECIPE.model_copy(update={"start": str(other)}), 7, 1)
