"""What the fixed layers gave, in a folder that runs share."""

import numpy as np

from pipelines.chest import TASK
from pipelines.fit import start_network
from pipelines.recipe import Recipe
from pipelines.variants import gather
from tests.pipelines.drawn import write_cohort


def test_a_run_that_takes_over_a_folder_changes_nothing_under_one_that_reads_it(tmp_path):
    cases = TASK.read(write_cohort(tmp_path / "data", patients=3))
    recipe = Recipe(task="cxr", side=64, variants=2)
    network = start_network(recipe, len(TASK.targets), TASK.channels)
    first = gather(TASK, cases, network, recipe, tmp_path / "variants", "cpu")
    before = [np.array(part) for part in first.activations]
    other = recipe.model_copy(update={"seed": 1, "fixed_blocks": 4})
    second = gather(TASK, cases, network, other, tmp_path / "variants", "cpu")
    assert all(np.array_equal(part, kept) for part, kept in zip(first.activations, before, strict=True))
    assert second.activations[0].shape != first.activations[0].shape
    assert not list((tmp_path / "variants").glob("*.part"))
