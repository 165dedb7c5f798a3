"""A whole network is trained from its pictures: by name, freed in stages, averaged, stopped in time."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data_schemas.errors import TriageError
from pipelines.chest import TASK
from pipelines.cohort import label_matrix
from pipelines.judge import read_evaluation
from pipelines.metrics import auroc
from pipelines.recipe import Augment, Recipe, Whole, read_recipe
from pipelines.train import Run, train
from pipelines.whole import Change, WholeNetwork
from tests.pipelines.drawn import write_cohort
from triage.models.bundle import verify_bundle

GENTLE = Augment(turn_deg=3, scale=0.03, aspect=0, shift=0.02, gamma=0.1, uneven=0, blur=0, sharpen=0, coarser=0)
RECIPE = Recipe(
    task="cxr",
    side=64,
    folds=2,
    variants=2,
    batch=16,
    augment=GENTLE,
    resamples=40,
    strangers=6,
    dropout=0.0,
    whole=(Whole(epochs=5, rate=2e-3, decay_per_stage=0.7),),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("films"), patients=64)


def fitter(films: Path, folder: Path, recipe: Recipe = RECIPE, **changes: object) -> WholeNetwork:
    how = recipe.whole[0].model_copy(update=changes)
    return WholeNetwork(TASK, TASK.read(films), recipe, how, "cpu", folder)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_a_network_learns_what_is_plain_to_see(films, tmp_path, cache):
    one = fitter(films, tmp_path, cache=cache)
    rows = np.arange(len(one.cases))
    told = []
    network = one.fit(rows[::2], lambda epoch, loss, network: told.append(loss))
    abnormal = label_matrix(one.cases, tuple(TASK.targets))[1::2, -1] == 1
    logits, features = one.outputs(network, rows[1::2], 0)
    assert auroc(logits[:, -1].astype(float), abnormal) > 0.85
    assert features.shape == (len(rows[1::2]), 1280)
    assert told[-1] < told[0]


def test_stages_that_are_not_yet_free_do_not_move(films, tmp_path):
    one = fitter(films, tmp_path, freed_at=(3,), epochs=2)
    before = {name: value.clone() for name, value in one.begun().state_dict().items()}
    after = one.fit(np.arange(32)).state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head"}


def test_the_moving_average_is_kept_and_is_another_network(films, tmp_path):
    rows = np.arange(32)
    plain = fitter(films, tmp_path, epochs=2).fit(rows).state_dict()
    averaged = fitter(films, tmp_path, epochs=2, ema=0.9).fit(rows).state_dict()
    assert not torch.equal(plain["head.weight"], averaged["head.weight"])


def test_training_ends_when_no_epoch_is_better(films, tmp_path):
    told = []
    one = fitter(films, tmp_path, epochs=30, patience=2, rate=1e-7)
    one.fit(np.arange(len(one.cases)), lambda epoch, loss, network: told.append(epoch))
    assert len(told) < 30


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_fit_that_was_stopped_goes_on_and_ends_as_if_it_never_had_been(films, tmp_path, ema):
    rows = np.arange(48)
    one = fitter(films, tmp_path / "whole", epochs=3, ema=ema, patience=9)
    one = replace(one, recipe=one.recipe.model_copy(update={"dropout": 0.5}))
    other = replace(one, folder=tmp_path / "stopped")
    told: list[int] = []

    def stop_in_the_third(epoch: int, loss: float, network: object) -> None:
        told.append(epoch)
        if epoch == 3 and told.count(3) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        other.fit(rows, stop_in_the_third)
    again = other.fit(rows, stop_in_the_third).state_dict()
    assert told == [1, 2, 3, 3]
    for name, value in one.fit(rows).state_dict().items():
        assert torch.equal(value, again[name]), name
    assert not list((tmp_path / "stopped").glob("fit_*")), "a finished fit leaves nothing behind"


def test_other_processes_that_read_pictures_make_no_difference(films, tmp_path):
    rows = np.arange(32)
    one = fitter(films, tmp_path, epochs=2).fit(rows).state_dict()
    two = fitter(films, tmp_path, epochs=2, workers=2).fit(rows).state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_picture_is_changed_anew_in_every_epoch(films, tmp_path):
    one = fitter(films, tmp_path)
    change = Change(one.changed, seed=3)
    picture = {"row": 5, "grey": one.read(5)}
    change.epoch = 1
    first, same = change(picture)["grey"], change(picture)["grey"]
    change.epoch = 2
    assert np.array_equal(first, same)
    assert not np.array_equal(first, change(picture)["grey"])


def test_a_run_leaves_a_bundle_of_a_network_by_name(films, tmp_path):
    recipe = RECIPE.model_copy(
        update={"network": "resnet18", "whole": (Whole(imagenet=False, epochs=1, loss="focal", optimiser="sgd"),)}
    )
    train(Run(recipe, films, tmp_path / "run"))
    manifest = verify_bundle(tmp_path / "run" / "bundle", tmp_path / "cache")
    assert manifest.network.name == "resnet18"
    assert manifest.origin.endswith("Starting weights: random.")
    assert set(read_evaluation(tmp_path / "run" / "bundle")["tried"]) == {"whole network, 1"}


def test_weights_that_there_are_none_of_are_refused_in_words(films, tmp_path):
    recipe = RECIPE.model_copy(update={"network": "resnet18", "whole": (Whole(epochs=1),)})
    with pytest.raises(TriageError, match=r"no ImageNet weights of resnet18, only of .*; `imagenet: false` does"):
        train(Run(recipe, films, tmp_path / "run"))


@pytest.mark.parametrize("ignored", ["pretraining={}", "balance_sources=true", "painted=0.3"])
def test_what_a_whole_network_would_ignore_is_refused_in_words(ignored):
    name, _, value = ignored.partition("=")
    with pytest.raises(TriageError, match=f"{name} cannot be had with `whole`"):
        read_recipe(
            Path("oct"), {"pretraining": None, "balance_sources": False, "whole": [{}], name: json.loads(value)}
        )


def test_tensorboard_that_is_not_installed_is_named(films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(TriageError, match="TensorBoard is missing: pip install tensorboard"):
        train(Run(RECIPE, films, tmp_path / "run", tensorboard=True))


def test_fixed_blocks_of_another_network_are_refused_in_words(films, tmp_path):
    recipe = RECIPE.model_copy(update={"network": "resnet18", "whole": ()})
    with pytest.raises(TriageError, match="resnet18 has no blocks to keep fixed; give the recipe `whole`"):
        train(Run(recipe, films, tmp_path / "run"))
