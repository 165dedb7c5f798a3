"""The MONAI side of a bundle: configs/metadata.json, configs/inference.json and docs/README.md as values.

Our code never reads the two configs: triage.json is what it trusts. They let MONAI users run the same bundle:
`python -m monai.bundle run --config_file configs/inference.json --bundle_root . --images "['a.dcm']"`.
"""

from importlib.metadata import version
from typing import Any

from data_schemas.bundle import BundleManifest, Evidence

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
REQUIRED = (
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
)
"""Keys that the MONAI bundle specification calls mandatory."""


def metadata(manifest: BundleManifest) -> dict[str, Any]:
    """configs/metadata.json, as MONAI's bundle specification asks."""
    names = [finding.label for finding in manifest.findings]
    others = ("pydicom", "safetensors", "opencv-python-headless", "imagecodecs", "onnxruntime", "pydantic")
    return {
        "schema": SCHEMA,
        "name": manifest.title,
        "version": manifest.version,
        "changelog": {manifest.version: "written by the training pipeline"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {name: version(name) for name in others},
        "task": manifest.purpose,
        "description": f"{manifest.title}. Not for: {manifest.not_for}",
        "authors": "The triage project",
        "copyright": manifest.licence,
        "data_source": manifest.origin,
        "data_type": "dicom",
        "image_classes": "one grey channel, display values scaled to 0..1, then normalised",
        "label_classes": ", ".join(names),
        "pred_classes": ", ".join(names),
        "intended_use": f"{manifest.purpose} Research use, not a medical device.",
        "network_data_format": {"inputs": {"image": _image(manifest)}, "outputs": {"pred": _logits(manifest)}},
    }


def _image(manifest: BundleManifest) -> dict[str, Any]:
    prepare = manifest.prepare
    ends = sorted(round((value - prepare.mean) / prepare.std, 4) for value in (0.0, 1.0))
    return {
        "type": "image",
        "format": "magnitude",
        "modality": "/".join(manifest.accepts.modalities),
        "num_channels": prepare.channels,
        "spatial_shape": [prepare.height, prepare.width],
        "dtype": "float32",
        "value_range": ends,
        "is_patch_data": False,
        "channel_def": {str(channel): "image" for channel in range(prepare.channels)},
    }


def _logits(manifest: BundleManifest) -> dict[str, Any]:
    return {
        "type": "probabilities",
        "format": "classes",
        "num_channels": len(manifest.findings),
        "spatial_shape": [1, 1],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": {str(index): finding.label for index, finding in enumerate(manifest.findings)},
    }


def inference_config(manifest: BundleManifest) -> dict[str, Any]:
    """configs/inference.json: `run` gives the same scores as the product, with MONAI's own loop around our chain."""
    del manifest  # every value is read from triage.json, so that there is one place for it
    return {
        "imports": [
            "$import json",
            "$from pathlib import Path",
            "$from triage.models.bundle import read_manifest",
            "$from triage.models.chain import probabilities",
        ],
        "bundle_root": ".",
        "images": [],
        "manifest": "$read_manifest(Path(@bundle_root))",
        "network": {"_target_": "triage.models.runtime_torch.load_network", "directory": "@bundle_root"},
        "preprocessing": {"_target_": "triage.models.chain.chain", "spec": "$@manifest.prepare"},
        "dataset": {
            "_target_": "monai.data.Dataset",
            "data": "$[{'image': name} for name in @images]",
            "transform": "@preprocessing",
        },
        "dataloader": {"_target_": "monai.data.DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "scores": "$[probabilities(@manifest, @inferer(batch['image'].as_tensor(), @network)[0]) "
        "for batch in @dataloader]",
        "initialize": [],
        "run": ["$print(json.dumps(dict(zip(@images, @scores)), indent=2))"],
    }


def _measured(evidence: Evidence) -> str:
    if evidence.positives + evidence.negatives == 0:
        return "not measured"
    return (
        f"{evidence.auroc:.3f} ({evidence.low:.3f} to {evidence.high:.3f}; "
        f"{evidence.positives} with, {evidence.negatives} without)"
    )


def readme(manifest: BundleManifest) -> str:
    """docs/README.md: what a person must know, from the manifest."""
    head = "| finding | AUROC (95 % interval) | operating point | proposes |\n|---|---|---|---|"
    rows = [
        f"| {finding.label} | {_measured(finding.evidence)} | {finding.operating_point:.3f} | "
        f"{finding.lifts_to or 'nothing: experimental'} |"
        for finding in manifest.findings
    ]
    table = "\n".join([head, *rows])
    return f"""# {manifest.title}

{manifest.purpose}

**Not for:** {manifest.not_for} Research use, not a medical device.

{table}

Licence: {manifest.licence}

Origin: {manifest.origin}

`triage models verify` checks every file. As a MONAI bundle, from this directory
(MONAI's command needs `pip install fire`):

```
python -m monai.bundle run --config_file configs/inference.json --bundle_root . --images "['image.dcm']"
```
"""
