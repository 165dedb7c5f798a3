"""Builds the ONNX file of a bundle: `python -m triage.models.onnx_export BUNDLE TARGET`, run as a child process.

A process of its own, because torch costs seconds and hundreds of megabytes that scoring never needs again.
"""

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triage.models.networks import MapNetwork

OPSET = 17


def export(directory: Path, target: Path) -> None:
    """Write the bundle's network to `target`: input (n, channels, height, width) to logits, maps, features; n is free.

    Raises BundleError where the bundle's weights do not fit.
    """
    import torch

    from triage.models.bundle import read_manifest
    from triage.models.runtime_torch import load_network

    torch.set_num_threads(2)
    prepare = read_manifest(directory).prepare
    export_network(load_network(directory), (prepare.channels, prepare.height, prepare.width), target)


def export_network(network: "MapNetwork", shape: tuple[int, int, int], target: Path) -> None:
    """Write a network in evaluation mode, for inputs (n, *shape) whose n alone is free, to `target`."""
    import torch

    outputs = ["logits", "maps", "features"]
    with warnings.catch_warnings(), torch.inference_mode():
        # sides are constants of the graph on purpose, and the exporter's successor is slower and larger (measured)
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, *shape),),
            str(target),
            dynamo=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in ["input", *outputs]},
        )


def main(arguments: list[str]) -> int:
    """Exit status 0 when the file was written; else one sentence on standard error and 1."""
    from data_schemas.errors import TriageError

    try:
        export(Path(arguments[0]), Path(arguments[1]))
    except TriageError as error:
        sys.stderr.write(f"{error.sentence}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
