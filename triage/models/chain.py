"""The preparation as a MONAI chain: our reader behind MONAI's ImageReader, one invertible transform, and its inverse.

    transforms = chain(manifest.prepare)
    item = transforms({"image": "image.dcm"})          # item["image"]: MetaTensor (channels, height, width)
    transforms.inverse({"image": item["image"]})       # MetaTensor (channels, rows, columns) on the original pixels

The transform calls triage.models.prepare, so the chain's tensor is that of the product to the last bit. The affine of
the prepared MetaTensor leads from its (row, column) to the (row, column) of the original image.

This module imports torch and MONAI: import it lazily.
"""

import logging
import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import ImageReader, MetaTensor
from monai.transforms import Compose, InvertibleTransform, LoadImaged, MapTransform
from monai.utils import TraceKeys
from numpy.typing import NDArray

from data_schemas.bundle import BundleManifest, PrepareSpec
from data_schemas.explanation import Affine
from triage.images.decode import decode
from triage.images.geometry import compose
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.images.pixels import StoredPixels, picture
from triage.models.calibration import finding_scores
from triage.models.cells import STRIDE, cells_to_input, on_original, span
from triage.models.prepare import prepare

STORED = "stored_pixels"
"""Key of the header and look in the reader's metadata."""
PICTURES = (".png", ".jpg", ".jpeg")


class TriageReader(ImageReader):  # type: ignore[misc]  # MONAI has no types
    """DICOM (and PNG or JPEG) through triage.images, as MONAI asks: stored values (rows, columns), not transposed."""

    def __init__(self, limits: ReadLimits | None = None, at_least_px: int | None = None) -> None:
        super().__init__()
        self.limits = limits or ReadLimits()
        self.at_least_px = at_least_px

    def verify_suffix(self, filename: Sequence[PathLike[str]] | PathLike[str]) -> bool:
        """True: DICOM files have any suffix or none, and reading tells."""
        del filename
        return True

    def read(self, data: Sequence[PathLike[str]] | PathLike[str] | str, **kwargs: object) -> StoredPixels:
        """One file. Raises RefusedFile, UnreadablePixels, or ValueError for several files or further arguments."""
        names = [data] if isinstance(data, str | PathLike) else list(data)
        if len(names) != 1 or kwargs:
            raise ValueError("TriageReader reads one file and takes no further arguments")
        path = Path(names[0])
        if path.suffix.lower() in PICTURES:
            return picture(path)
        _, header = read_header(path, limits=self.limits)
        return decode(path, header, at_least_px=self.at_least_px)

    def get_data(self, img: StoredPixels) -> tuple[NDArray[Any], dict[str, Any]]:
        """Stored values, rows first, and their metadata: an identity affine in pixels, header and look."""
        carried = np.empty((), dtype=object)  # an array, because LoadImage lets no other object pass
        carried[()] = replace(img, values=img.values[:0, :0])
        meta = {
            "affine": np.eye(4),
            "original_affine": np.eye(4),
            "spatial_shape": np.array(img.values.shape[:2]),
            "original_channel_dim": -1 if img.values.ndim == 3 else float("nan"),
            STORED: carried,
        }
        return img.values, meta


class Prepared(MapTransform, InvertibleTransform):  # type: ignore[misc]  # MONAI has no types
    """Stored values (rows, columns[, 3]) from TriageReader to the network's input (channels, height, width), and back.

    The inverse takes any map (c, h, w) that carries the trace of the forward pass: of the input's size, of another
    size (spread edge to edge), or, with `network`, class activation maps in their true place.
    """

    def __init__(self, keys: Hashable | Sequence[Hashable], spec: PrepareSpec, network: str | None = None) -> None:
        MapTransform.__init__(self, keys)
        self.spec = spec
        self.network = network

    def __call__(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, Any]:
        """Prepare each key."""
        out: dict[Hashable, Any] = dict(data)
        for key in self.key_iterator(out):
            meta = _without_affine(out[key])
            stored: StoredPixels = meta.pop(STORED)[()]
            values = out[key].numpy().astype(stored.values.dtype, copy=False)
            made = prepare(replace(stored, values=values), self.spec)
            tensor = MetaTensor(torch.from_numpy(made.tensor), affine=_row_first(made.to_image), meta=meta)
            size = (stored.header.rows, stored.header.columns)
            out[key] = self.push_transform(tensor, orig_size=size, extra_info={"to_image": made.to_image})
        return out

    def inverse(self, data: Mapping[Hashable, MetaTensor]) -> dict[Hashable, Any]:
        """Each key on the original pixels, float32 (c, rows, columns)."""
        out: dict[Hashable, Any] = dict(data)
        for key in self.key_iterator(out):
            trace = self.pop_transform(out[key])
            rows, columns = trace[TraceKeys.ORIG_SIZE]
            grid = out[key].detach().cpu().numpy()
            to_image = compose(trace[TraceKeys.EXTRA_INFO]["to_image"], self._to_input(grid.shape[1], grid.shape[2]))
            drawn = np.stack([on_original(channel, to_image, rows, columns) for channel in grid])
            tensor = MetaTensor(torch.from_numpy(drawn), affine=torch.eye(4), meta=_without_affine(out[key]))
            tensor.applied_operations = out[key].applied_operations
            out[key] = tensor
        return out

    def _to_input(self, height: int, width: int) -> Affine:
        spec = self.spec
        if self.network is not None and (height, width) == (spec.height // STRIDE, spec.width // STRIDE):
            return cells_to_input(self.network)
        return span(height, width, spec.height, spec.width)


def chain(spec: PrepareSpec, key: str = "image", network: str | None = None, at_least_px: int | None = None) -> Compose:
    """MONAI's Compose from a file's path to the network's input; `inverse` puts maps on the original pixels.

    `network` is the name of the network whose class activation maps the inverse will meet; `at_least_px` allows a
    reduced read of JPEG 2000 (needed_px(spec) is what the product asks for).
    """
    logging.getLogger("monai.data.nvimgcodec_pydicom_plugin").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # LoadImage constructs every reader it knows, and one complains that a GPU decoder is not installed
        warnings.simplefilter("ignore", UserWarning)
        load = LoadImaged(keys=key, reader=TriageReader(at_least_px=at_least_px), dtype=None, image_only=True)
    return Compose([load, Prepared(key, spec, network)])


def probabilities(manifest: BundleManifest, logits: torch.Tensor) -> dict[str, float]:
    """Calibrated probabilities by finding of the first row of logits (n, findings); for configs/inference.json."""
    return {score.finding: score.probability for score in finding_scores(manifest, logits[0].numpy())}


def _without_affine(tensor: MetaTensor) -> dict[str, Any]:
    return {name: value for name, value in tensor.meta.items() if name != "affine"}


def _row_first(affine: Affine) -> NDArray[np.float64]:
    """(x, y) to (x, y) as a 4 x 4 of (row, column, slice) to (row, column, slice)."""
    (a, b, across), (c, d, down) = affine
    matrix = np.eye(4)
    matrix[:2, :2] = [[d, c], [b, a]]
    matrix[:2, 3] = [down, across]
    return matrix
