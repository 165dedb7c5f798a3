"""How far a fit has come, in one file: complete or not at all, and gone on from with nothing lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """What torch's modules, optimisers and schedules have in common."""

    def state_dict(self) -> Any:  # noqa: ANN401  # torch's own
        """All of it."""

    def load_state_dict(self, state_dict: Any) -> object:  # noqa: ANN401  # torch's own
        """Puts it back."""


def keep(path: Path, parts: Mapping[str, Stateful], values: Mapping[str, Any]) -> None:
    """Sets down the state of the parts, and the values beside them: plain ones and tensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save({"values": dict(values), "parts": {name: one.state_dict() for name, one in parts.items()}}, part)
    part.replace(path)


def taken_up(path: Path, parts: Mapping[str, Stateful], device: str) -> dict[str, Any] | None:
    """Puts the parts in the state that an earlier run set down, and gives its values; None where there is no file."""
    if not path.is_file():
        return None
    found = torch.load(path, weights_only=True, map_location=device)
    for name, one in parts.items():
        one.load_state_dict(found["parts"][name])
    values: dict[str, Any] = found["values"]
    return values
