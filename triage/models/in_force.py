"""Was a result told by the models and operating points that are in force now? If not, what is different."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from data_schemas.bundle import BundleManifest
from data_schemas.score import BundleIdentity, FindingScore, Judged, StudyScreening


@dataclass(frozen=True)
class Difference:
    """One thing that is different now."""

    bundle: str
    """Name of the model that it is about."""
    sentence: str


def differences(result: StudyScreening, manifests: Sequence[BundleManifest]) -> tuple[Difference, ...]:
    """Every difference once; empty where there is none.

    `manifests`: the installed ones, at the site's own points (triage.models.site_points). A point matters to images
    that were scored, a version also to those that a gate stopped. A result that was given up says nothing of models.
    """
    known = {manifest.name: manifest for manifest in manifests}
    return tuple(dict.fromkeys(one for part in result.judged for one in of_part(part, known)))


def of_part(part: Judged, known: Mapping[str, BundleManifest]) -> Iterator[Difference]:
    """Those of one image or series."""
    if part.bundle is None:
        yield from new_readers(part, known)
        return
    manifest = known.get(part.bundle.name)
    if manifest is None:
        gone = f"{part.bundle.name} {part.bundle.version} is no longer installed"
        yield Difference(part.bundle.name, gone)
    elif of_manifest(manifest) != part.bundle:
        yield Difference(manifest.name, other_version(part.bundle, manifest))
    else:
        yield from other_points(part.scores, manifest)


def new_readers(part: Judged, known: Mapping[str, BundleManifest]) -> Iterator[Difference]:
    """Models that read the modality of what no model read. Where nobody knows what made a picture, none is found."""
    for gate in part.gates:
        for manifest in known.values():
            if gate.gate == "modality" and gate.value in manifest.accepts.modalities:
                yield Difference(manifest.name, f"{manifest.name} {manifest.version} reads {gate.value} by now")


def of_manifest(manifest: BundleManifest) -> BundleIdentity:
    """Which model it is, to the byte."""
    return BundleIdentity(name=manifest.name, version=manifest.version, weights_sha256=manifest.network.weights_sha256)


def other_version(before: BundleIdentity, now: BundleManifest) -> str:
    """In words; a version may come with other weights under the same number."""
    if before.version != now.version:
        return f"{now.name} {before.version}, now {now.version}"
    return f"{now.name} {now.version} with other weights"


def other_points(scores: Sequence[FindingScore], manifest: BundleManifest) -> Iterator[Difference]:
    """Findings whose operating point has another value now."""
    now = {finding.name: finding.operating_point for finding in manifest.findings}
    for score in scores:
        point = now.get(score.finding)
        if point is not None and point != score.operating_point:
            sentence = f"operating point of {score.label} {score.operating_point:.3f}, now {point:.3f}"
            yield Difference(manifest.name, sentence)
