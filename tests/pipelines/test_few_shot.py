import numpy as np
import pytest

from pipelines.few_shot import ALL, few_shot, run_few_shot, table
from pipelines.recipe import Pretraining, Recipe
from pipelines.train import Run
from tests.pipelines.drawn import write_cohort

RECIPE = Recipe(task="cxr", side=64, folds=2, variants=2, batch=16)


@pytest.fixture(scope="module")
def shots():
    random = np.random.default_rng(0)
    labels = (random.random((400, 2)) < [0.5, 0.03]).astype(np.float32)
    labels[:20, 0] = np.nan
    features = random.normal(size=(400, 40)).astype(np.float32)
    features[:, 0] += 1.5 * np.nan_to_num(labels[:, 0])
    return few_shot(
        np.broadcast_to(features, (5, *features.shape)),
        labels,
        np.arange(400) % 5,
        ("plain", "rare"),
        RECIPE,
        shots=(5, 40),
        draws=10,
    )


def test_more_images_tell_better(shots):
    of = {one.images: one for one in shots if one.finding == "plain"}
    assert 0.5 < of["5"].mean < of["40"].mean < of[ALL].mean
    assert of["5"].low < of["5"].mean < of["5"].high


def test_a_finding_with_fewer_images_than_that_has_no_such_figure(shots):
    assert {one.images for one in shots if one.finding == "rare"} == {"5", ALL}
    assert "| rare | " in table(shots) and "–" in table(shots)


def test_a_run_from_films_to_the_table(tmp_path):
    found = run_few_shot(Run(RECIPE, write_cohort(tmp_path / "data", patients=64), tmp_path / "run"), draws=2)
    assert {one.images for one in found} >= {"5", ALL}
    assert (tmp_path / "run" / "few_shot.md").read_text() == table(found) + "\n"


def test_features_come_from_a_network_that_did_not_see_the_folds_own_images(tmp_path):
    recipe = RECIPE.model_copy(update={"pretraining": Pretraining(epochs=1)})
    run_few_shot(Run(recipe, write_cohort(tmp_path / "data"), tmp_path / "run"), draws=1)
    assert len(list((tmp_path / "run" / "pretrained").iterdir())) == recipe.folds
