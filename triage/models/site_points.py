"""A bundle at a site's own operating points: the same model, only where its findings act from is another."""

from collections.abc import Sequence
from dataclasses import replace

from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.operating_point import SetBySite, SitePoint
from triage.models.bundle import Bundle


def acting_from(bundle: Bundle, points: Sequence[SitePoint]) -> Bundle:
    """The bundle whose manifest carries those of the points that were decided for its very weights."""
    manifest = at_points(bundle.manifest, points)
    return bundle if manifest is bundle.manifest else replace(bundle, manifest=manifest)


def at_points(manifest: BundleManifest, points: Sequence[SitePoint]) -> BundleManifest:
    """The manifest with the points in the place of its own; the same value where none is for its weights.

    What a finding may propose is left as it is: that depends on its evidence, not on where it acts from.
    """
    weights = manifest.network.weights_sha256
    mine = {one.finding: one for one in points if (one.bundle, one.weights_sha256) == (manifest.name, weights)}
    findings = tuple(moved(finding, mine.get(finding.name)) for finding in manifest.findings)
    return manifest if findings == manifest.findings else manifest.model_copy(update={"findings": findings})


def moved(finding: FindingSpec, to: SitePoint | None) -> FindingSpec:
    """The finding at the site's point."""
    if to is None:
        return finding
    site = SetBySite(own=finding.operating_point, set_at=to.set_at)
    return finding.model_copy(update={"operating_point": to.point, "set_by_site": site})
