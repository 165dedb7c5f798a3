import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.errors import TriageError
from pipelines.fit import MOST_BALANCE, source_weights, start_network
from pipelines.recipe import Recipe


@given(
    st.lists(st.tuples(st.integers(5, 20), st.integers(5, 20)), min_size=1, max_size=4),
)
def test_balanced_a_finding_is_as_frequent_in_every_collection(counts: list[tuple[int, int]]) -> None:
    labels = np.concatenate([np.repeat([1.0, 0.0], pair) for pair in counts]).astype(np.float32)[:, None]
    sources = np.repeat([f"collection {number}" for number in range(len(counts))], [sum(pair) for pair in counts])
    weights = source_weights(labels, sources)[:, 0]
    for source in np.unique(sources):
        here = sources == source
        share = (weights[here] * labels[here, 0]).sum() / weights[here].sum()
        assert abs(share - labels.mean()) < 1e-5


def test_a_collection_with_one_kind_of_label_is_left_as_it_is_and_unknown_labels_do_no_harm() -> None:
    labels = np.array([[1, np.nan], [1, np.nan], [0, np.nan], [1, np.nan], [np.nan, np.nan]], np.float32)
    sources = np.array(["one", "one", "two", "two", "two"])
    weights = source_weights(labels, sources)
    assert np.isfinite(weights).all()
    assert (weights[:2] == 1).all()
    assert weights[2, 0] < 1 < weights[3, 0] <= MOST_BALANCE


def test_more_fixed_blocks_than_the_head_can_do_without_are_refused_before_anything_is_computed() -> None:
    recipe = Recipe(task="cxr", network="efficientnet_lite0_stages", side=64, fixed_blocks=9)
    with pytest.raises(TriageError, match="9 blocks of efficientnet_lite0_stages cannot stay fixed"):
        start_network(recipe, 7, 1)
    assert start_network(recipe.model_copy(update={"fixed_blocks": 8}), 7, 1).head.in_features == 1280 + 80 + 112
