"""A small bundle with random weights that reads chest radiographs: real files and runtimes, no claim about patients."""

from pathlib import Path

import numpy as np
import torch

from data_schemas.bundle import Accepts, BundleManifest, Values, VolumeSpec
from data_schemas.volume import StackFault
from tests.models import tiny
from triage.models import ood
from triage.models.bundle_files import write_bundle


def write_reader(directory: Path, *, threshold: float = 1e9, low: float = 0.75) -> BundleManifest:
    """The bundle; `threshold` of its distribution gate lets everything pass unless given, findings act from 0.0."""
    torch.set_num_threads(1)
    manifest = tiny.manifest(height=64, width=64).model_copy(
        update={
            "name": directory.name,
            "accepts": Accepts(
                modalities=("CR", "DX"), body_parts=("CHEST",), views=("PA", "AP"), min_age_years=18, min_side_px=32
            ),
            "findings": (tiny.finding("effusion", low), tiny.finding("nodule", 0.5)),
        }
    )
    manifest = manifest.model_copy(update={"ood": manifest.ood.model_copy(update={"threshold": threshold})})
    network = tiny.network(manifest)
    features = np.random.default_rng(0).normal(size=(16, 1280)).astype(np.float32)
    return write_bundle(directory, manifest, network, ood.fit(features, np.arange(16) % 2, directions=4))


def write_slice_reader(directory: Path, *, threshold: float = 1e9, **volume: object) -> BundleManifest:
    """A bundle that reads head CT slice by slice through three windows."""
    torch.set_num_threads(1)
    windows = ((40.0, 80.0), (80.0, 200.0), (600.0, 2800.0))
    tolerates = (StackFault.TILT, StackFault.SPACING)
    manifest = tiny.manifest(height=64, width=64, values=Values.MODALITY, channels=3, windows=windows).model_copy(
        update={
            "name": directory.name,
            "accepts": Accepts(
                modalities=("CT",),
                body_parts=("HEAD", "BRAIN"),
                min_side_px=64,
                volume=VolumeSpec.model_validate({"tolerates": tolerates} | volume),
            ),
            "findings": (tiny.finding("haemorrhage", 0.75), tiny.finding("fracture", 0.5)),
        }
    )
    manifest = manifest.model_copy(update={"ood": manifest.ood.model_copy(update={"threshold": threshold})})
    network = tiny.network(manifest)
    features = np.random.default_rng(0).normal(size=(16, 1280)).astype(np.float32)
    return write_bundle(directory, manifest, network, ood.fit(features, np.arange(16) % 2, directions=4))
