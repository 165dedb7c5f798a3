import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data_schemas.errors import TriageError
from pipelines.chest import TASK
from pipelines.fit import start_network
from pipelines.pretrain import contrast, pretrain
from pipelines.recipe import Recipe
from pipelines.train import Run
from pipelines.variants import gather
from tests.pipelines.drawn import write_cohort

RECIPE = Recipe(task="cxr", side=64, folds=2, variants=3, batch=16)


def test_variants_of_one_image_come_to_be_alike_and_fixed_blocks_stay(tmp_path):
    cases = TASK.read(write_cohort(tmp_path / "data"))
    network = start_network(RECIPE, len(TASK.targets), TASK.channels)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = gather(TASK, cases, network, RECIPE, tmp_path / "variants", "cpu")
    losses = contrast(network, images, np.arange(len(cases)), RECIPE, epochs=3, rate=1e-3, device="cpu")
    assert losses[-1] < losses[0]
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and not any(name.startswith(("head.", "trunk._conv_stem")) for name in moved)
    assert {int(name.split(".")[2]) for name in moved if "_blocks" in name} == set(range(RECIPE.fixed_blocks, 16))


def test_a_run_may_start_from_what_it_left(tmp_path):
    trunk = pretrain(Run(RECIPE, write_cohort(tmp_path / "data"), tmp_path / "run"), epochs=1, rate=1e-3)
    recipe = RECIPE.model_copy(update={"start": str(trunk)})
    started = start_network(recipe, len(TASK.targets), TASK.channels).trunk.state_dict()
    assert all(torch.equal(started[name], value) for name, value in load_file(trunk).items())


def test_a_start_that_is_none_is_refused_in_words(tmp_path):
    other = tmp_path / "trunk.safetensors"
    with pytest.raises(TriageError, match=r"trunk\.safetensors cannot be read"):
        start_network(RECIPE.model_copy(update={"start": str(other)}), 7, 1)
    other.write_bytes(b"no tensors here")
    with pytest.raises(TriageError, match="is no trunk of this network"):
        start_network(RECIPE.model_copy(update={"start": str(other)}), 7, 1)
