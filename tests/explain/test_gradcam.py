import numpy as np
import pytest

from tests.explain.conftest import EXPLAINED
from tests.explain.pictures import image_header
from tests.models import tiny
from triage.explain.gradcam import activation_maps, from_activation_maps, layer_gradcam
from triage.images.geometry import IDENTITY, apply
from triage.models.bundle import Bundle
from triage.models.prepare import Prepared


@pytest.mark.parametrize("name", EXPLAINED)
def test_maps_of_the_scoring_pass_are_captums_layer_gradcam(bundles: dict[str, Bundle], name: str) -> None:
    bundle = bundles[name]
    batch = tiny.batch(bundle.manifest, 2)
    scored = from_activation_maps(bundle.score(batch).maps)
    for image, maps in zip(batch, scored, strict=True):
        for finding, values in enumerate(maps):
            expected = layer_gradcam(bundle.network(), bundle.manifest.network.map_layer, image, finding)
            assert values.shape == expected.shape == (4, 3)
            np.testing.assert_allclose(values, expected, atol=1e-4 * max(float(expected.max()), 1e-6))
    assert scored.max() > 0


def test_every_finding_gets_its_map_with_bundle_and_place(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["resnet18"]
    prepared = Prepared(tiny.batch(bundle.manifest, 1)[0], ((2.0, 0.0, 0.5), (0.0, 3.0, 1.0)))
    maps = bundle.score(prepared.tensor[None]).maps[0]
    explanations = activation_maps(image_header(384, 192), bundle, prepared, maps)
    assert [explanation.header.finding for explanation in explanations] == ["effusion", "nodule", "mass"]
    for explanation in explanations:
        header = explanation.header
        assert (header.method, header.rows, header.columns) == ("gradcam", 384, 192)
        assert header.bundle == bundle.identity
        assert header.parameters["layer"] == "trunk.layer4"
        assert explanation.values.dtype == np.float32
        assert explanation.values.min() >= 0
        # this network's first cell looks at input pixel 0, the next at 32
        assert apply(header.to_image, 1, 2) == (2.0 * 32 + 0.5, 3.0 * 64 + 1.0)


def test_equal_passes_give_equal_maps(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["efficientnet_lite0"]
    prepared = Prepared(tiny.batch(bundle.manifest, 1)[0], IDENTITY)
    first, second = (
        activation_maps(image_header(128, 96), bundle, prepared, bundle.score(prepared.tensor[None]).maps[0])
        for _ in range(2)
    )
    assert [one.values.tobytes() for one in first] == [other.values.tobytes() for other in second]


def test_a_layer_that_is_not_there_is_named(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["resnet18"]
    with pytest.raises(AttributeError, match="layer5"):
        layer_gradcam(bundle.network(), "trunk.layer5", tiny.batch(bundle.manifest, 1)[0], 0)
