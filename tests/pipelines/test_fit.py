import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.fit import MOST_BALANCE, source_weights


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
