"""Models that others trained, from local files, as a site would take them in."""

import importlib
from pathlib import Path

import pytest
import torch
import typer
from safetensors.torch import save_file
from typer.testing import CliRunner

from data_schemas.errors import TriageError
from pipelines.foreign import DENSENET121, foreign, our_network, read_weights
from pipelines.input_range import IMAGENET, check_range, from_to
from pipelines.take_in_model import Wish, take_in
from tests.pipelines.foreign_files import (
    SIDE,
    densenet121,
    settled,
    theirs,
    torchvision_names,
    write_films,
    write_monai_bundle,
)
from triage.images.pixels import picture
from triage.models.bundle import load_bundle
from triage.models.prepare import prepare

XRV = from_to(-1024, 1024)
RESNET = {
    "_target_": "monai.networks.nets.resnet18",
    "spatial_dims": "@spatial_dims",
    "n_input_channels": 1,
    "num_classes": 2,
    "conv1_t_stride": 2,
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_films(tmp_path_factory.mktemp("site") / "films")


@pytest.fixture(scope="module")
def xrv(films: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A state dict in torchxrayvision's layout, and the network that it is of."""
    network = densenet121(films, XRV, 1, 3)
    thresholds = torch.tensor([0.2, float("nan"), 0.7])
    path = tmp_path_factory.mktemp("weights") / "xrv.pt"
    torch.save(torchvision_names(network, "classifier") | {"op_threshs": thresholds}, path)
    return path, network


def wish(films: Path, **stated: object) -> Wish:
    whole = {"name": "theirs", "images": films, "labels": ("Effusion", "", "Lung Lesion"), "stated": XRV, "side": SIDE}
    return Wish(**(whole | stated))


def run(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(importlib.import_module("pipelines.import").main)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_a_torchxrayvision_file_becomes_a_bundle_that_answers_as_the_file_did(
    films: Path, xrv: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    path, network = xrv
    stated = ("--labels", "Effusion,,Lung Lesion", "--input-range", -1024, 1024, "--side", SIDE)
    out = tmp_path / "theirs"
    code, said = run(path, "--name", "theirs", "--out", out, "--images", films, *stated)
    assert (code, said) == (0, f"{out} holds theirs: 2 findings, all experimental.\n")
    bundle = load_bundle(out, tmp_path / "cache", "torch")
    assert [finding.name for finding in bundle.manifest.findings] == ["effusion", "lung_lesion"]
    assert [finding.operating_point for finding in bundle.manifest.findings] == pytest.approx([0.2, 0.7])
    assert not any(finding.may_lift for finding in bundle.manifest.findings)
    assert "not measured" in (out / "docs" / "README.md").read_text()
    first = sorted(films.iterdir())[0]
    scores = bundle.score(prepare(picture(first), bundle.manifest.prepare).tensor[None])
    with torch.no_grad():
        expected = network(theirs(films, XRV, 1)[:1])[0, [0, 2]]
    # kernels are stored in half precision
    torch.testing.assert_close(torch.from_numpy(scores.logits[0]), expected, atol=0.02, rtol=0.02)
    assert bundle.ood_distance(scores.features[0]) <= bundle.manifest.ood.threshold
    assert list(tmp_path.glob(".*")) == []


def test_a_wrong_input_range_is_refused_with_the_right_one_and_nothing_is_written(
    films: Path, xrv: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    for wrong in (from_to(0, 1), from_to(0, 255)):
        with pytest.raises(TriageError, match=rf"{wrong.words} is not what these weights.*-1024 to 1024 fits"):
            take_in(xrv[0], tmp_path / "theirs", wish(films, stated=wrong))
    assert list(tmp_path.iterdir()) == []


def test_a_torchvision_file_with_imagenets_means_becomes_one_grey_channel(films: Path, tmp_path: Path) -> None:
    network = densenet121(films, IMAGENET, 3, 2)
    save_file(torchvision_names(network, "classifier.1"), tmp_path / "tv.safetensors")
    weights = foreign(read_weights(tmp_path / "tv.safetensors"), DENSENET121, "tv.safetensors")
    grey = theirs(films, from_to(0, 1), 1)
    check_range(weights.stem, grey, IMAGENET)
    with pytest.raises(TriageError, match="ImageNet's mean and deviation fits"):
        check_range(weights.stem, grey, XRV)
    ours = our_network(weights, [0, 1], IMAGENET, "tv.safetensors")
    with torch.no_grad():
        found = ours((grey - IMAGENET.mean) / IMAGENET.std)[0]
        expected = network(theirs(films, IMAGENET, 3))
    # the same but at the border of the picture, which is continued in one grey, and these pictures are small
    assert torch.corrcoef(torch.stack([found.flatten(), expected.flatten()]))[0, 1] > 0.95


def test_a_monai_bundle_is_read_as_data(films: Path, tmp_path: Path) -> None:
    from monai.networks.nets import resnet18

    torch.manual_seed(0)
    x = theirs(films, from_to(0, 1), 1)
    network = settled(resnet18(spatial_dims=2, n_input_channels=1, num_classes=2, conv1_t_stride=2), x)
    source = write_monai_bundle(tmp_path / "zoo", network, RESNET)
    manifest = take_in(source, tmp_path / "theirs", wish(films, labels=None, stated=None, side=None))
    assert (manifest.title, manifest.version, manifest.licence) == ("Chest things", "0.3.1", "MIT")
    assert [finding.name for finding in manifest.findings] == ["effusion", "mass"]
    assert (manifest.prepare.height, manifest.prepare.mean, manifest.prepare.std) == (SIDE, 0.0, 1.0)
    bundle = load_bundle(tmp_path / "theirs", tmp_path / "cache", "torch")
    with torch.no_grad():
        expected = network(x[:4])
    torch.testing.assert_close(torch.from_numpy(bundle.score(x[:4].numpy()).logits), expected, atol=0.02, rtol=0.02)
    with pytest.raises(TriageError, match="is a Triage bundle already"):
        take_in(tmp_path / "theirs", tmp_path / "again", wish(films))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_target_": "os.system"}, "network 'os.system' is not known here; known are DenseNet121"),
        ({"spatial_dims": 3}, "resnet18 with spatial_dims 3 is not known here, only with 2"),
        ({"conv1_t_stride": 1}, "conv1_t_stride 1 is not known here, only with 2"),
        ({"conv1_t_stride": "$1 + 1"}, r"'\$1 \+ 1' would have to be computed"),
    ],
)
def test_a_monai_bundle_with_another_network_is_refused_and_nothing_computed(
    films: Path, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    source = write_monai_bundle(tmp_path / "zoo", torch.nn.Linear(2, 2), RESNET | change)
    with pytest.raises(TriageError, match=reason):
        take_in(source, tmp_path / "theirs", wish(films))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    with pytest.raises(TriageError, match=r"whole\.pt holds more than weights and is not opened"):
        read_weights(tmp_path / "whole.pt")


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    for name in ("a.pt", "a.safetensors"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(TriageError, match=rf"{name} (is neither safetensors nor|holds more than) weights"):
            read_weights(tmp_path / name)
    with pytest.raises(TriageError, match="is not a file here"):
        read_weights(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"labels": ("a", "b")}, "has 3 outputs, 2 labels are stated"),
        ({"labels": None}, "does not name its 3 outputs; state them with --labels"),
        ({"stated": None}, "does not say its input range"),
        ({"side": 100}, "side of 100 is no multiple of 32"),
        ({"images": Path(__file__).parent}, r"holds 0 DICOM, PNG or JPEG files; at least 20"),
    ],
)
def test_what_is_missing_is_said(
    films: Path, xrv: tuple[Path, torch.nn.Module], tmp_path: Path, stated: dict[str, object], reason: str
) -> None:
    with pytest.raises(TriageError, match=reason):
        take_in(xrv[0], tmp_path / "theirs", wish(films, **stated))


def test_a_file_with_a_tensor_missing_names_it(films: Path, xrv: tuple[Path, torch.nn.Module], tmp_path: Path) -> None:
    state = read_weights(xrv[0])
    del state["features.denseblock2.denselayer3.conv1.weight"]
    save_file(state, tmp_path / "part.safetensors")
    code, said = run(
        tmp_path / "part.safetensors", "--name", "x", "--out", tmp_path / "x", "--images", films,
        "--labels", "a,b,c", "--input-range", -1024, 1024, "--side", SIDE,
    )  # fmt: skip
    assert code == 1
    assert "does not fit densenet121: features.denseblock2.denselayer3.layers.conv1.weight is missing." in said


def test_something_else_in_the_way_is_left_alone(
    films: Path, xrv: tuple[Path, torch.nn.Module], tmp_path: Path
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    with pytest.raises(TriageError, match="theirs is there and is no bundle"):
        take_in(xrv[0], tmp_path / "theirs", wish(films))
    assert (tmp_path / "theirs" / "notes.txt").read_text() == "mine"
