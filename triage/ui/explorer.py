"""The operating points in force here: this site's own in words, and the curves that can be explored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from data_schemas.bundle import FindingSpec
from data_schemas.operating_point import SitePoint
from triage.ui.evaluated import Evaluated, has_value
from triage.web.trail import actor_words

CURVE = (
    "probability", "sensitivity", "sensitivity_low", "sensitivity_high",
    "specificity", "specificity_low", "specificity_high",
)  # fmt: skip
"""Lists of equal length in evaluation.json, written by pipelines.operating_points."""


def in_force(bundle: Evaluated, points: Sequence[SitePoint], zone: ZoneInfo) -> str:
    """Which findings have this site's own points, and which points were left behind with other weights."""
    say, manifest = bundle.say, bundle.manifest
    labels = {finding.name: finding.label for finding in manifest.findings}
    mine: list[str] = []
    others: list[str] = []
    for one in points:
        if one.bundle != manifest.name:
            continue
        place = mine if one.weights_sha256 == manifest.network.weights_sha256 else others
        values = {"finding": labels.get(one.finding, one.finding), "point": f"{one.point:.3f}", "own": f"{one.own:.3f}"}
        place.append(say("explorer.one_point", **values, when=day(one.set_at, zone)))
    words = say("explorer.of_site", points="; ".join(mine)) if mine else say("explorer.all_own")
    if others:
        words += f" {say('explorer.of_other_weights', points='; '.join(others))}"
    return words


def day(at: datetime, zone: ZoneInfo) -> str:
    """A date in the site's zone."""
    return f"{at.astimezone(zone):%Y-%m-%d}"


def explorable(bundle: Evaluated) -> bool:
    """Whether the file holds a curve of any finding."""
    return any(curve_of(bundle, finding) for finding in bundle.manifest.findings)


def told(bundle: Evaluated, points: Sequence[SitePoint]) -> dict[str, Any]:
    """What the component needs: the model, and each finding that has a curve."""
    manifest = bundle.manifest
    weights = manifest.network.weights_sha256
    mine = {one.finding: one for one in points if (one.bundle, one.weights_sha256) == (manifest.name, weights)}
    findings = [
        finding_told(bundle, finding, curve, mine.get(finding.name))
        for finding in manifest.findings
        if (curve := curve_of(bundle, finding))
    ]
    return {"bundle": manifest.name, "title": manifest.title, "weights": weights, "findings": findings}


def finding_told(
    bundle: Evaluated, finding: FindingSpec, curve: Mapping[str, Any], site: SitePoint | None
) -> dict[str, Any]:
    """One finding with its curve, the point in force and the share that has it in the data it was measured on."""
    figures = bundle.of(finding)
    with_it, without = figures["positives"], figures["negatives"]
    return {
        "name": finding.name,
        "label": finding.label,
        "proposes": str(finding.lifts_to) if finding.lifts_to else None,
        "own": finding.operating_point,
        "point": site.point if site else finding.operating_point,
        "set": {"at": site.set_at.isoformat(), "actor": actor_words(site.actor, bundle.say), "comment": site.comment}
        if site
        else None,
        "share": with_it / (with_it + without),
        "with_it": with_it,
        "without_it": without,
        "curve": curve,
    }


def curve_of(bundle: Evaluated, finding: FindingSpec) -> dict[str, list[float | None]] | None:
    """The finding's curve with the figures at the bundle's own point put in; None where the file holds no curve."""
    figures = bundle.of(finding)
    stated = figures.get("curve")
    if not stated or any(len(stated.get(name, ())) != len(stated["probability"]) for name in CURVE):
        return None
    columns = {name: list(stated[name]) for name in CURVE}
    if has_value(figures.get("sensitivity")) and has_value(figures.get("specificity")):
        own = finding.operating_point
        place = sum(one < own for one in columns["probability"])
        same = columns["probability"][place : place + 1] == [own]
        for name in CURVE:
            columns[name][place : place + same] = [own if name == "probability" else of_name(figures, name)]
    return columns


def of_name(figures: Mapping[str, Any], name: str) -> float | None:
    """`sensitivity_low` and the like of the figures at the bundle's own point."""
    measure, _, bound = name.partition("_")
    value: float | None = figures[measure][bound or "value"]
    return value
