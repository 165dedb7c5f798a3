"""How far an image's features lie from the training images'.

Two distances on the network's pooled features; the pipelines choose by the development set:
    relative   Mahalanobis distance to the nearest class minus that to all training images (Ren et al. 2021,
               arXiv:2106.09022), in the leading principal directions
    residual   the Mahalanobis distance to all training images, the directions beyond the leading ones counted with
               their mean variance (probabilistic PCA, Tipping and Bishop 1999): sees what has no place in the training
               images at all
Measured with ImageNet features on chest radiographs, at a threshold that kept 99 % of held-out chests: residual stopped
every CT slice, OCT and noise image; relative, with classes that the features do not tell apart, stopped almost none.
Both are squared distances over the number of features, so that a training image is near 1 (residual) or 0 (relative).

Numpy only; statistics live in one safetensors file.
"""

import json
import struct
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Method = Literal["relative", "residual"]
RIDGE = 1e-6
"""Share of the mean variance added to each direction, so that none is without width."""
CLASS_RIDGE = 1e-3
"""The same within the classes, where the mean variance is 1 at most."""


@dataclass(frozen=True)
class Statistics:
    """What distance() needs, float32. k features, d leading directions, c classes."""

    method: Method
    mean: NDArray[np.float32]
    """(k,): mean of all training features."""
    basis: NDArray[np.float32]
    """(k, d): the leading principal directions, each of unit length."""
    inverse_std: NDArray[np.float32]
    """(d,): one over the standard deviation along each."""
    residual_variance: float
    """Mean variance of one direction beyond the leading ones."""
    class_means: NDArray[np.float32]
    """(c, e): class means in the coordinates of class_factor."""
    class_factor: NDArray[np.float32]
    """(d, e): whitens, within the classes, the coordinates along `basis` times `inverse_std`."""

    @property
    def width(self) -> int:
        """Number of features k."""
        return len(self.mean)


def fit(
    features: NDArray[np.floating], classes: NDArray[np.integer], *, method: Method = "residual", directions: int = 64
) -> Statistics:
    """Statistics of training features (n, k) whose classes (n,) are whole numbers; classes of one image are allowed.

    Takes at most `directions`, n - 1 or k leading principal directions. Raises ValueError for fewer than 3 images or
    arrays that do not fit each other.
    """
    x = np.asarray(features, dtype=np.float64)
    labels = np.asarray(classes)
    if x.ndim != 2 or len(x) < 3 or labels.shape != (len(x),):
        raise ValueError(f"features {x.shape} and classes {labels.shape} do not fit, or fewer than 3 images")
    mean = x.mean(axis=0)
    centred = x - mean
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    variance = singular**2 / (len(x) - 1)
    kept = min(directions, len(x) - 1, x.shape[1])
    floor = RIDGE * variance.sum() / x.shape[1] + np.finfo(np.float32).tiny
    rest = float(np.float32(max(variance[kept:].sum() / max(x.shape[1] - kept, 1), floor)))  # as it is stored
    basis = rows[:kept].T
    inverse_std = 1.0 / np.sqrt(variance[:kept] + floor)
    white = centred @ basis * inverse_std
    means = np.stack([white[labels == label].mean(axis=0) for label in np.unique(labels)])
    within = white - means[np.searchsorted(np.unique(labels), labels)]
    values, vectors = np.linalg.eigh(within.T @ within / max(len(x) - len(means), 1))
    factor = vectors / np.sqrt(np.maximum(values, 0) + CLASS_RIDGE)
    arrays = (mean, basis, inverse_std, means @ factor, factor)
    mean32, basis32, std32, means32, factor32 = (np.ascontiguousarray(a, dtype=np.float32) for a in arrays)
    return Statistics(method, mean32, basis32, std32, rest, means32, factor32)


def distance(features: NDArray[np.float32], statistics: Statistics) -> float:
    """Distance of one image's features (k,); inf where one is not finite. Raises ValueError for another length."""
    if features.shape != statistics.mean.shape:
        raise ValueError(f"features of shape {features.shape} for statistics of {statistics.mean.shape}")
    if not np.isfinite(features).all():
        return float("inf")
    centred = features.astype(np.float64) - statistics.mean
    along = centred @ statistics.basis
    white = along * statistics.inverse_std
    whole = float(white @ white)
    if statistics.method == "relative":
        away = statistics.class_means - white @ statistics.class_factor
        return (float((away**2).sum(axis=1).min()) - whole) / statistics.width
    beyond = max(float(centred @ centred) - float(along @ along), 0.0)
    return (whole + beyond / statistics.residual_variance) / statistics.width


ARRAYS = ("mean", "basis", "inverse_std", "class_means", "class_factor")


def write_statistics(statistics: Statistics) -> bytes:
    """The bytes of a safetensors file."""
    tensors = {name: getattr(statistics, name) for name in ARRAYS}
    tensors["residual_variance"] = np.array([statistics.residual_variance], dtype=np.float32)
    return save(tensors, metadata={"method": statistics.method})


def read_statistics(content: bytes) -> Statistics:
    """The statistics in a safetensors file. Raises SafetensorError, KeyError or ValueError for anything else."""
    tensors = load(content)
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    method = header.get("__metadata__", {}).get("method", "")
    if method not in get_args(Method):
        raise ValueError(f"method {method!r} is not one of {', '.join(get_args(Method))}")
    arrays = [tensors[name] for name in ARRAYS]
    mean, basis, inverse_std, class_means, class_factor = arrays
    if basis.shape != (len(mean), len(inverse_std)):
        raise ValueError("the directions do not fit the mean")
    if class_factor.shape[0] != len(inverse_std) or class_means.shape[1] != class_factor.shape[1]:
        raise ValueError("the classes do not fit the directions")
    residual = float(tensors["residual_variance"][0])
    return Statistics(method, mean, basis, inverse_std, residual, class_means, class_factor)
