"""Tiny bundles with random weights, made in the test: real files, real runtimes, no claim about any patient."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_schemas.bundle import (
    Accepts,
    BundleManifest,
    Calibration,
    Evidence,
    FindingSpec,
    Fit,
    NetworkSpec,
    OodSpec,
    PrepareSpec,
)
from data_schemas.urgency import Level
from triage.models import ood
from triage.models.bundle_files import write_bundle
from triage.models.networks import MapNetwork, build_for

SIDE = 64


def finding(name: str, low: float) -> FindingSpec:
    evidence = Evidence(auroc=0.8, low=low, high=0.9, positives=30, negatives=300, method="drawn for a test")
    return FindingSpec(
        name=name,
        label=name.title(),
        calibration=Calibration(slope=1.5, offset=-0.25),
        operating_point=0.4,
        operating_point_chosen="for a test",
        proposes=Level.HIGH,
        evidence=evidence,
    )


def manifest(network: str = "efficientnet_lite0", **prepare: object) -> BundleManifest:
    values = {"height": SIDE, "width": SIDE, "fit": Fit.PAD, "mean": 0.5, "std": 0.25, "high_percentile": 99.5}
    return BundleManifest(
        name=f"tiny-{network}",
        version="0.0.1",
        title="Tiny random network",
        purpose="Tests.",
        not_for="patients.",
        licence="Apache-2.0",
        origin="random numbers",
        network=NetworkSpec(name=network, weights_sha256="", map_layer=""),
        accepts=Accepts(modalities=("CR", "DX")),
        prepare=PrepareSpec.model_validate(values | prepare),
        findings=(finding("effusion", 0.75), finding("nodule", 0.6), finding("mass", 0.71)),
        ood=OodSpec(statistics_sha256="", threshold=3.0, kept=0.99),
        test_vector_sha256="",
    )


def network(made_for: BundleManifest) -> MapNetwork:
    """Random weights whose batch norms know their input, so that activations and logits have a size worth comparing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = build_for(made_for).train()
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None
        prepare = made_for.prepare
        with torch.no_grad():
            model(torch.randn(8, prepare.channels, prepare.height, prepare.width))
            torch.nn.init.normal_(model.head.weight, std=1 / model.head.in_features**0.5)
            torch.nn.init.normal_(model.head.bias)
    return model.eval()


def statistics(model: MapNetwork, made_for: BundleManifest) -> ood.Statistics:
    prepare = made_for.prepare
    noise = torch.randn(24, prepare.channels, prepare.height, prepare.width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model(noise)[2].numpy()
    return ood.fit(features, np.arange(24) % 2, directions=8)


def write(directory: Path, made_for: BundleManifest) -> BundleManifest:
    model = network(made_for)
    return with_evaluation(directory, write_bundle(directory, made_for, model, statistics(model, made_for)))


def evaluation(made: BundleManifest) -> dict[str, Any]:
    """The part of evaluation.json that backs the manifest's evidence."""

    def figures(evidence: Evidence) -> dict[str, Any]:
        area = {"value": evidence.auroc, "low": evidence.low, "high": evidence.high}
        return {"positives": evidence.positives, "negatives": evidence.negatives, "auroc": area}

    findings = {finding.name: figures(finding.evidence) for finding in made.findings}
    return {"bundle": {"weights_sha256": made.network.weights_sha256}, "findings": findings}


def with_evaluation(directory: Path, made: BundleManifest) -> BundleManifest:
    """The same manifest, after evaluation.json was written beside it."""
    (directory / "evaluation.json").write_text(json.dumps(evaluation(made)))
    return made


def batch(made_for: BundleManifest, images: int, seed: int = 0) -> np.ndarray:
    prepare = made_for.prepare
    shape = (images, prepare.channels, prepare.height, prepare.width)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
