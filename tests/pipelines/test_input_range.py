from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from data_schemas.bundle import Fit, PrepareSpec
from data_schemas.errors import TriageError
from pipelines.input_range import IMAGENET, USUAL, InputRange, Stem, check_range, from_to, one_channel
from pipelines.outside import dressed
from pipelines.starting_weights import FILES
from tests.pipelines.drawn import STATED, film
from triage.models.prepare import prepare


@pytest.fixture(scope="module")
def films() -> torch.Tensor:
    """Grey 0 to 1, (n, 1, 64, 64): drawn chests as the product prepares them."""
    spec = PrepareSpec(height=64, width=64, fit=Fit.PAD, mean=0.0, std=1.0)
    pictures = [dressed(film(number, STATED[number % 8])) for number in range(12)]
    return torch.from_numpy(np.stack([prepare(one, spec).tensor for one in pictures]))


def trained(films: torch.Tensor, stated: InputRange, channels: int, contrast: float = 1.0) -> Stem:
    """Random kernels whose norm remembers the films in that range."""
    generator = torch.Generator().manual_seed(3)
    kernel = torch.randn(64, channels, 7, 7, generator=generator)
    low, high = (torch.tensor(ends).expand(channels)[None, :, None, None] for ends in (stated.low, stated.high))
    grey = (films - 0.5) * contrast + 0.5
    seen = torch.nn.functional.conv2d(low + (high - low) * grey, kernel, stride=2)
    return Stem(kernel, seen.mean(dim=(0, 2, 3)), seen.var(dim=(0, 2, 3)), 2)


CASES = [(usual, channels) for usual in USUAL for channels in (1, 3) if channels == 3 or usual is not IMAGENET]


@pytest.mark.parametrize(("right", "channels"), CASES, ids=lambda value: getattr(value, "words", str(value)))
def test_the_right_range_passes_and_every_other_is_refused_with_the_right_one(
    films: torch.Tensor, right: InputRange, channels: int
) -> None:
    stem = trained(films, right, channels)
    check_range(stem, films, right)
    for wrong in USUAL:
        if wrong is right or (channels == 1 and wrong is IMAGENET):
            continue
        with pytest.raises(TriageError, match=f"{right.words} fits"):
            check_range(stem, films, wrong)


@pytest.mark.parametrize("contrast", [0.7, 1.4])
def test_images_of_another_contrast_than_the_training_images_pass(films: torch.Tensor, contrast: float) -> None:
    right = from_to(-1024, 1024)
    check_range(trained(films, right, 1, contrast), films, right)


@pytest.mark.parametrize("stated", [IMAGENET, from_to(0, 255)], ids=["imagenet", "0 to 255"])
def test_one_channel_answers_as_three_of_a_grey_image(films: torch.Tensor, stated: InputRange) -> None:
    stem = trained(films, stated, 3)
    low, high = (torch.tensor(ends).expand(3)[None, :, None, None] for ends in (stated.low, stated.high))
    theirs = torch.nn.functional.conv2d(low + (high - low) * films, stem.kernel) - stem.mean[None, :, None, None]
    kernel, mean = one_channel(stem, stated)
    ours = torch.nn.functional.conv2d((films - stated.mean) / stated.std, kernel) - mean[None, :, None, None]
    torch.testing.assert_close(ours, theirs, atol=1e-3 * float(theirs.abs().max()), rtol=1e-3)


def test_preparation_follows_from_the_range() -> None:
    wide = from_to(-1024, 1024)
    assert (wide.mean, wide.std) == (0.5, 1 / 2048)
    assert (from_to(0, 255).mean, from_to(0, 255).std) == (0.0, 1 / 255)
    assert IMAGENET.mean == pytest.approx(0.449, abs=1e-3)


def test_imagenets_three_means_are_refused_for_one_channel(films: torch.Tensor) -> None:
    with pytest.raises(TriageError, match="are of 3 channels, these weights take 1"):
        check_range(trained(films, from_to(0, 1), 1), films, IMAGENET)


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(TriageError, match="255 to 0 is not from a lower"):
        from_to(255, 0)


def test_real_weights_know_their_range(shared_data: Path) -> None:
    """EfficientNet-Lite0 as trained on ImageNet, on real chest radiographs."""
    weights = torch.load(FILES["efficientnet_lite0"](), weights_only=True)
    stem = Stem(weights["_conv_stem.weight"], weights["_bn0.running_mean"], weights["_bn0.running_var"], 2)
    paths = sorted((shared_data / "cxr_nih" / "images").glob("*.jpg"))[::100]
    greys = [cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (224, 224)) for path in paths]
    films = torch.from_numpy(np.stack(greys)[:, None].astype(np.float32) / 255)
    check_range(stem, films, from_to(-127 / 128, 1.0))
    for wrong in (from_to(0, 1), from_to(0, 255), from_to(-1024, 1024), IMAGENET):
        with pytest.raises(TriageError, match="-1 to 1 fits"):
            check_range(stem, films, wrong)
