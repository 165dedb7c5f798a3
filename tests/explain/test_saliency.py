import numpy as np
import pytest
import torch

from data_schemas.errors import NotFound
from tests.explain.conftest import EXPLAINED
from tests.explain.pictures import image_header
from tests.models import tiny
from triage.explain.drawing import on_image
from triage.explain.saliency import saliency
from triage.images.geometry import IDENTITY
from triage.models.bundle import Bundle
from triage.models.prepare import Prepared


@pytest.mark.parametrize("name", EXPLAINED)
def test_saliency_is_the_absolute_gradient_of_the_findings_logit(bundles: dict[str, Bundle], name: str) -> None:
    bundle = bundles[name]
    prepared = Prepared(tiny.batch(bundle.manifest, 1)[0], IDENTITY)
    found = saliency(image_header(128, 96), bundle, prepared, "nodule")
    x = torch.from_numpy(prepared.tensor[None]).requires_grad_()
    (gradient,) = torch.autograd.grad(bundle.network()(x)[0][0, 1], x)
    expected = gradient.abs().numpy()[0].max(axis=0).reshape(32, 4, 24, 4).mean(axis=(1, 3))
    assert found.values.dtype == np.float32
    assert found.header.method == "saliency"
    assert found.header.finding == "nodule"
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_saliency_lies_edge_to_edge_on_the_input(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["resnet18"]
    prepared = Prepared(tiny.batch(bundle.manifest, 1)[0], IDENTITY)
    found = saliency(image_header(128, 96), bundle, prepared, "effusion")
    assert found.header.to_image == ((4.0, 0.0, 1.5), (0.0, 4.0, 1.5))
    assert on_image(found).shape == (128, 96)


def test_saliency_follows_what_the_logit_follows(bundles: dict[str, Bundle]) -> None:
    """Moving the pixels by the gradient's sign moves the logit by about the sum of the saliency."""
    bundle = bundles["efficientnet_lite0"]
    tensor = tiny.batch(bundle.manifest, 1)[0]
    found = saliency(image_header(128, 96), bundle, Prepared(tensor, IDENTITY), "mass")
    x = torch.from_numpy(tensor[None]).requires_grad_()
    (gradient,) = torch.autograd.grad(bundle.network()(x)[0][0, 2], x)
    step = 1e-4
    moved = tensor + step * gradient[0].sign().numpy()
    change = bundle.score(moved[None]).logits[0, 2] - bundle.score(tensor[None]).logits[0, 2]
    assert change == pytest.approx(step * found.values.sum() * 16, rel=0.1)


def test_a_finding_the_bundle_does_not_have_is_refused_with_those_it_has(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["resnet18"]
    prepared = Prepared(tiny.batch(bundle.manifest, 1)[0], IDENTITY)
    with pytest.raises(NotFound, match="no finding 'fracture'; it has effusion, nodule, mass"):
        saliency(image_header(128, 96), bundle, prepared, "fracture")
