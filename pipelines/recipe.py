"""What a training run is asked for: plain values from a YAML file, every one of them checked."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from data_schemas.base import Value
from data_schemas.errors import TriageError

CONFIGS = Path(__file__).parent / "configs"
"""The recipes of the shipped bundles."""


class Augment(Value):
    """How an image is changed before it is prepared, so that other scanners and other patients are less of a surprise.

    Ranges are symmetric around no change; shares are how often a change is made at all.
    """

    turn_deg: float = Field(10.0, ge=0, le=180)
    scale: float = Field(0.15, ge=0, lt=1)
    """Of both sides, as a share."""
    aspect: float = Field(0.08, ge=0, lt=1)
    """Of one side against the other."""
    shift: float = Field(0.06, ge=0, lt=1)
    """As a share of the side."""
    mirror: float = Field(0.5, ge=0, le=1)
    """Share of images that are mirrored."""
    gamma: float = Field(0.45, ge=0)
    """Of the grey values as a power, in natural logarithms."""
    contrast: float = Field(0.25, ge=0, lt=1)
    brightness: float = Field(0.08, ge=0, lt=1)
    """As a share of the range of grey."""
    uneven: float = Field(0.1, ge=0)
    """Largest coefficient of a smooth field of brightness (MONAI RandBiasField)."""
    blur: float = Field(0.3, ge=0, le=1)
    """Share of images."""
    blur_sigma: float = Field(1.6, ge=0)
    """In pixels of 256 a side."""
    sharpen: float = Field(0.2, ge=0, le=1)
    """Share of images."""
    coarser: float = Field(0.15, ge=0, le=1)
    """Share of images that lose resolution."""
    noise: float = Field(0.6, ge=0, le=1)
    """Share of images."""
    noise_std: float = Field(0.035, ge=0)
    """As a share of the range of grey."""
    black_stays: bool = False
    """Air is left as it is: outside the head of a CT nothing is grey."""


class Tail(Value):
    """How the last blocks move, once the head has been fitted."""

    epochs: int = Field(6, ge=1)
    rate: float = Field(2e-4, gt=0)
    head_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    mixup: float = Field(0.0, ge=0)
    """Parameter of the Beta distribution by which two images are mixed (Zhang et al. 2018, arXiv:1710.09412)."""
    way: float = Field(0.5, ge=0, le=1)
    """How far from the fitted head with ImageNet layers (0) to the trained weights (1) the result lies: the middle
    keeps more of what helps on other hospitals' films (Wortsman et al. 2022, arXiv:2109.01903)."""


class Pretraining(Value):
    """How the last blocks move before any label is looked at (pipelines.contrastive)."""

    epochs: int = Field(10, ge=1)
    rate: float = Field(1e-4, gt=0)


class Whole(Value):
    """How a whole network is trained, image by image, each changed anew in every epoch."""

    imagenet: bool = True
    """Starts from ImageNet weights, which there are of EfficientNet-Lite; of others they are given as `start`."""
    loss: str = "cross_entropy"
    """Of pipelines.losses: cross_entropy, focal, mse."""
    gamma: float = Field(2.0, ge=0)
    """Of the focal loss."""
    optimiser: str = "adamw"
    """Of pipelines.optimisers: sgd, adam, adamw."""
    rate: float = Field(3e-4, gt=0)
    decay_per_stage: float = Field(0.5, gt=0, le=1)
    """Each stage nearer the image learns this much slower than the next."""
    weight_decay: float = Field(0.02, ge=0)
    epochs: int = Field(20, ge=1)
    freed_at: tuple[int, ...] = ()
    """Epochs, counted from 1, from which one more stage moves, the last one first; empty: all move from the start."""
    validation: float = Field(0.15, gt=0, lt=1)
    """Share of the patients by whom the best epoch is chosen."""
    patience: int = Field(6, ge=1)
    """Epochs without a better one after which training ends."""
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is kept instead of the last ones; 0: none."""
    cache: Literal["memory", "disk", "none"] = "memory"
    """Where pictures are kept between epochs, as read and before they are changed."""
    workers: int = Field(0, ge=0)
    """Processes that read and change pictures while the network learns; 0: the one that trains does it."""
    mixed_precision: bool = True
    """bfloat16 on a GPU."""


class Recipe(Value):
    """Everything that decides what a run gives, the data and the device aside."""

    task: str
    network: str = "efficientnet_lite0"
    start: str = ""
    """safetensors file of the trunk's weights: what pipelines.pretrain left, or ImageNet weights in torchvision's names
    for mobilenet_v2; empty: those of the package, where there is one for the network."""
    side: int = Field(256, ge=32, multiple_of=32)
    """Of the network's input in pixels."""
    seed: int = 20261126
    folds: int = Field(5, ge=2)
    set_aside: float = Field(0.15, ge=0, lt=1)
    """Share of the patients that no choice has seen; they confirm the result once."""
    fixed_blocks: int = Field(6, ge=0)
    """Blocks of the network that keep their ImageNet weights; what they give is computed once for each variant."""
    variants: int = Field(6, ge=2)
    """Of each image: one as it is, the others changed as `augment` says."""
    augment: Augment = Augment()
    original: float = Field(1.0, gt=0)
    """How much each image as it is counts against one changed copy of it (for the head and the last blocks)."""
    painted: float = Field(0.0, ge=0, le=1)
    """Share of images without any finding into whose variants one is painted, for a task that can paint."""
    penalty: float = Field(1.0, gt=0)
    """Squared weights of the head on standardised features, against the mean cross-entropy."""
    smoothing: float = Field(0.05, ge=0, lt=0.5)
    """Labels of 0 and 1 are moved towards each other by this: about one in ten is wrong."""
    balance_sources: bool = False
    """Images count so that each finding is as frequent in every collection (of the head and the last blocks)."""
    dropout: float = Field(0.3, ge=0, lt=1)
    batch: int = Field(32, ge=2)
    pretraining: Pretraining | None = None
    """Before everything else, by the images that a network is then fitted to: a fold's own patients are not in it."""
    tails: tuple[Tail, ...] = (Tail(),)
    """Ways to move the last blocks that are tried beside the head alone; cross-validation chooses."""
    depth: int = Field(0, ge=0, multiple_of=8)
    """Slices of the input of a network for volumes (pipelines.volumes); 0: networks see slices by themselves."""
    whole: tuple[Whole, ...] = ()
    """Ways to train the whole network that are tried; with any, nothing else is, and no block is fixed. What is done
    to fixed blocks' answers is refused beside it: pretraining, balance_sources, painted."""
    calibration: Literal["platt", "temperature", "isotonic"] = "platt"
    """How logits become probabilities; `python -m pipelines.calibrate --run RUN` holds the three side by side."""
    resamples: int = Field(2000, ge=10)
    """Of the bootstrap over patients."""
    strangers: int = Field(200, ge=2)
    """Images of each other kind for the distribution gate; half of them choose, half test."""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> "Recipe":
        ignored = [name for name in ("pretraining", "balance_sources", "painted") if getattr(self, name)]
        if self.whole and ignored:
            raise ValueError(f"{' and '.join(ignored)} cannot be had with `whole`; leave one of them out")
        return self


MADE_BY = {"task", "network", "start", "side", "seed", "fixed_blocks", "augment", "painted"}


def made_by(recipe: Recipe) -> str:
    """What of the recipe decides what the fixed layers give, as JSON.

    How many variants there are is no part of it: more of them cost only what they add.
    """
    return recipe.model_dump_json(include=MADE_BY)


def start_sha256(recipe: Recipe) -> str:
    """Of the file that the recipe starts from, which may change under its name; empty for none.

    Raises TriageError where it cannot be read.
    """
    if not recipe.start:
        return ""
    try:
        return hashlib.sha256(Path(recipe.start).read_bytes()).hexdigest()
    except OSError as error:
        raise TriageError(
            f"{recipe.start} cannot be read ({error.strerror}); `start` names a safetensors file"
        ) from error


def changes_of(stated: Sequence[str]) -> dict[str, Any]:
    """What a command was given as name=value, values as YAML reads them. Raises TriageError for what is no YAML."""
    found = {}
    for name, _, value in (one.partition("=") for one in stated):
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise TriageError(f"--set {name}={value} is no YAML: {' '.join(str(error).split())}") from error
    return found


def read_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a YAML file, or of the shipped one of that name, with single values changed.

    Raises TriageError that names the file and the first value that is wrong.
    """
    shipped = CONFIGS / f"{path}.yaml"
    chosen = shipped if not path.suffix and shipped.is_file() else path
    try:
        content = yaml.safe_load(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(one.stem for one in CONFIGS.glob("*.yaml")))
        raise TriageError(f"{chosen} cannot be read ({error.strerror}); shipped recipes are {known}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TriageError(f"{chosen} is no YAML in UTF-8: {' '.join(str(error).split())}") from error
    try:
        return Recipe.model_validate({**content, **(changes or {})} if isinstance(content, dict) else content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TriageError(f"{chosen}: {place or 'the file'}: {first['msg']}") from error
