import pytest
import torch

from data_schemas.errors import TriageError
from pipelines.optimisers import OPTIMISERS, free_from, optimiser_by_name, parameter_groups, stages
from triage.models.networks import MapNetwork, build

LIGHT = ("small_cnn", "efficientnet_lite0", "resnet18", "cnn_transformer")


@pytest.fixture
def network() -> MapNetwork:
    torch.manual_seed(0)
    return build("small_cnn", 2, 1, {"dropout": 0.0})


@pytest.mark.parametrize("name", LIGHT)
def test_every_parameter_is_in_one_group_with_the_rate_of_its_stage(name: str) -> None:
    network = build(name, 2, 1)
    groups = parameter_groups(network, 0.1, 0.5)
    grouped = [id(one) for group in groups for one in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in network.parameters())
    rates = [group["lr"] for group in groups]
    assert rates == sorted(rates)
    assert {group["name"]: group["lr"] for group in groups}["head"] == 0.1
    assert rates[0] == pytest.approx(0.1 * 0.5 ** (len(stages(network)) - 1))
    for group in groups:
        assert all((one.ndim <= 1) == ("vectors" in group["name"]) for one in group["params"])


def test_stages_follow_the_pass_from_the_image_to_the_head() -> None:
    network = build("resnet18", 2, 1)
    found = stages(network)
    assert network.trunk.conv1 in found[0]
    assert network.trunk.layer4[1] in found[-2]
    assert found[-1] == (network.head,)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_optimiser_learns_to_tell_bright_from_dark(name: str, network: MapNetwork) -> None:
    groups = parameter_groups(network, 0.02, 0.7)
    optimiser = optimiser_by_name(name, groups, rate=0.02, weight_decay=1e-4)
    x = torch.randn(8, 1, 64, 64) * 0.1 + torch.tensor([1.0, -1.0] * 4)[:, None, None, None]
    wanted = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 4)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(x)[0], wanted)
        loss.backward()
        optimiser.step()
        losses.append(float(loss))
    assert losses[-1] < 0.5 * losses[0]


def test_the_first_stage_moves_less_than_the_head(network: MapNetwork) -> None:
    before = {name: value.clone() for name, value in network.named_parameters()}
    optimiser = optimiser_by_name("adam", parameter_groups(network, 0.01, 0.1), rate=0.01)
    network(torch.randn(4, 1, 64, 64))[0].square().sum().backward()
    optimiser.step()
    moved = {name: float((value - before[name]).abs().max()) for name, value in network.named_parameters()}
    assert moved["trunk.0.0.weight"] < 0.01 * moved["head.weight"]


def test_fixed_stages_stay_and_are_left_out_of_the_groups(network: MapNetwork) -> None:
    fixed = free_from(network, 4)
    assert fixed
    assert {group["name"] for group in parameter_groups(network, 0.1)} == {"head", "head, vectors"}
    assert free_from(network, 0) == []
    assert all(one.requires_grad for one in network.parameters())


def test_an_unknown_optimiser_is_refused(network: MapNetwork) -> None:
    with pytest.raises(TriageError, match="known are sgd, adam, adamw"):
        optimiser_by_name("lion", parameter_groups(network, 0.1), rate=0.1)
