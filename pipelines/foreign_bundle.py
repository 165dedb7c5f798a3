"""A MONAI Bundle of others, read as data: its configs are JSON or YAML, and nothing that they name is executed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_schemas.errors import TriageError
from pipelines.foreign import LAYOUTS, Foreign, Layout, foreign, read_weights
from triage.models.bundle import MANIFEST

CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
WEIGHTS = ("models/model.safetensors", "models/model.pt", "models/model.pth")
NETWORK_KEYS = ("network_def", "network", "net")


@dataclass(frozen=True)
class BundleFacts:
    """What a MONAI Bundle says of itself, as far as it is needed here."""

    weights: Foreign
    title: str
    version: str
    licence: str
    labels: tuple[str, ...]
    """Names of the outputs; empty where it does not name them."""
    side: int | None
    """Of its input, where both sides are the same."""
    value_range: tuple[float, float] | None


def read_bundle(folder: Path) -> BundleFacts:
    """The weights and facts of a MONAI Bundle directory. Raises TriageError in one sentence for what is not known."""
    if (folder / MANIFEST).is_file():
        raise TriageError(f"{folder.name} is a Triage bundle already; copy it into the folder of bundles.")
    metadata = _mapping(folder / "configs/metadata.json")
    config = _mapping(_first(folder, CONFIGS))
    layout = _layout(config, folder.name)
    path = _first(folder, WEIGHTS)
    image = _inside(metadata, "network_data_format", "inputs", "image")
    sides = [side for side in image.get("spatial_shape", []) if isinstance(side, int)]
    ends = [float(end) for end in image.get("value_range", []) if isinstance(end, int | float)]
    return BundleFacts(
        weights=foreign(read_weights(path), layout, path.name),
        title=str(metadata.get("name") or metadata.get("task") or folder.name),
        version=str(metadata.get("version", "0")),
        licence=str(metadata.get("copyright") or "not stated"),
        labels=_labels(metadata),
        side=sides[0] if len(sides) == 2 and sides[0] == sides[1] else None,
        value_range=(ends[0], ends[1]) if len(ends) == 2 else None,
    )


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise TriageError(f"{folder.name} is no MONAI Bundle with weights: none of {', '.join(names)} is there.")


def _mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise TriageError(f"{path.name} cannot be read ({error.strerror}).") from error
    except (ValueError, yaml.YAMLError) as error:
        raise TriageError(f"{path.name} is neither JSON nor plain YAML.") from error
    if not isinstance(found, dict):
        raise TriageError(f"{path.name} holds no table of values.")
    return found


def _layout(config: Mapping[str, Any], bundle: str) -> Layout:
    """The layout of the network that the config defines, by name, with arguments that our table's network shares."""
    definition = next((config[key] for key in NETWORK_KEYS if isinstance(config.get(key), Mapping)), None)
    if definition is None:
        raise TriageError(f"{bundle}: its inference config defines no network under {', '.join(NETWORK_KEYS)}.")
    target = str(definition.get("_target_", ""))
    name = target.rsplit(".", 1)[-1]
    if name not in LAYOUTS:
        raise TriageError(f"{bundle}: network {target!r} is not known here; known are {', '.join(LAYOUTS)}.")
    wanted: dict[str, tuple[Any, ...]] = {"spatial_dims": (2,)}
    if name.startswith("resnet"):
        wanted["conv1_t_stride"] = (2, [2, 2])
    if name == "EfficientNetBN":
        wanted["model_name"] = ("efficientnet-b0",)
    for argument, allowed in wanted.items():
        value = _plain(definition.get(argument), config, bundle)
        if value not in allowed:
            raise TriageError(
                f"{bundle}: {name} with {argument} {value!r} is not known here, only with {allowed[0]!r}."
            )
    return LAYOUTS[name]


def _plain(value: object, config: Mapping[str, object], bundle: str) -> object:
    """A value, or what an @reference to a top-level value leads to. Expressions are not computed."""
    if isinstance(value, str) and value.startswith("@"):
        return _plain(config.get(value[1:]), config, bundle)
    if isinstance(value, str) and value.startswith("$"):
        raise TriageError(f"{bundle}: {value!r} would have to be computed; write the value itself into the config.")
    return value


def _inside(value: object, *path: str) -> dict[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


def _labels(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    channels = _inside(metadata, "network_data_format", "outputs", "pred", "channel_def")
    return tuple(str(channels[key]) for key in sorted(channels, key=lambda key: int(key) if key.isdigit() else 0))
