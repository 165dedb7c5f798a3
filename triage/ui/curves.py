"""Sensitivity and specificity at the operating points, and the whole curves behind them."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from data_schemas.bundle import FindingSpec
from triage.ui.evaluated import Evaluated, Shown, between, folded, has_value, ranged, share, table
from triage.ui.plots import Guide, Line, Mark, Point, Square, Words, histogram, square

DIAGONAL = Line(((0.0, 0.0), (1.0, 1.0)), faint=True)
EDGES = [place / 20 for place in range(21)]
"""Of the bins of a histogram."""
NOTHING_ACTED_ON = (0.0, 1.0)
"""Sensitivity and specificity where there is no precision."""


def points(bundle: Evaluated) -> Shown | None:
    """Where each finding's operating point lies; with whole curves behind it where the file holds them."""
    say = bundle.say
    marked = [finding for finding in bundle.known if operating_point(bundle, finding)]
    if not marked:
        return None
    drawn = [point for finding in marked if (point := operating_point(bundle, finding))]
    words = Words(
        say("models.points"), say("models.points_desc"), say("models.axis_false"), say("models.axis_sensitivity")
    )
    head = ("finding", "own_point", "sensitivity", "specificity", "auprc", "prevalence", "calibration_error")
    cells = [point_cells(bundle, finding) for finding in marked]
    figures = table([say(f"models.{name}") for name in head], cells, numbers=(1, 5, 6))
    note = "" if with_curves(bundle) else f'<p class="t-dim">{escape(say("models.curves_none"))}</p>'
    plot = square(Square(words, (DIAGONAL,), drawn), side=300.0)
    return Shown(words.title, words.description, (("", plot),), note + folded(say, figures))


def operating_point(bundle: Evaluated, finding: FindingSpec) -> Point | None:
    """The finding's place in ROC space; None where the file does not hold it."""
    figures = bundle.of(finding)
    if not (has_value(figures.get("sensitivity")) and has_value(figures.get("specificity"))):
        return None
    right, found = figures["specificity"], figures["sensitivity"]
    low, high = right.get("low"), right.get("high")
    x = Mark(1 - right["value"], None if high is None else 1 - high, None if low is None else 1 - low)
    sentence = f"{finding.label}: {bundle.say('models.sensitivity').lower()} {found['value']:.2f}"
    y = Mark(
        found["value"], found.get("low"), found.get("high"), filled=finding.may_lift, shape="square", name=sentence
    )
    return Point(finding.label, x, y)


def point_cells(bundle: Evaluated, finding: FindingSpec) -> tuple[str, ...]:
    """One row of the operating points' table."""
    figures = bundle.of(finding)
    images = figures.get("positives", 0) + figures.get("negatives", 0)
    error = figures.get("calibration_error")
    return (
        finding.label,
        f"{finding.operating_point:.2f}",
        ranged(bundle, figures.get("sensitivity")),
        ranged(bundle, figures.get("specificity")),
        ranged(bundle, figures.get("auprc")),
        share(figures.get("positives", 0) / images if images else None),
        "–" if error is None else f"{error:.3f}",
    )


def curves(bundle: Evaluated, finding: FindingSpec) -> Shown:
    """ROC, precision and recall, probabilities and reliability of a finding whose curve the file holds."""
    figures = bundle.of(finding)
    reliable = figures.get("reliability", [])
    plots = [draw(bundle, finding, figures["curve"]) for draw in (roc, precision, probabilities)]
    if reliable:
        plots.append(reliability(bundle, finding, reliable))
    return Shown("", "", plots, reliability_table(bundle, reliable) if reliable else "")


def with_curves(bundle: Evaluated) -> list[FindingSpec]:
    """The findings whose curve the file holds."""
    return [finding for finding in bundle.known if bundle.of(finding).get("curve")]


def roc(bundle: Evaluated, finding: FindingSpec, curve: Mapping[str, Any]) -> tuple[str, str]:
    """Sensitivity against 1 - specificity, with its band and the operating point."""
    say = bundle.say
    words = Words(
        say("models.roc"), say("models.roc_desc", finding=finding.label),
        say("models.axis_false_short"), say("models.axis_sensitivity"),
    )  # fmt: skip
    false = [1 - value for value in curve["specificity"]]
    band = list(zip(false, curve["sensitivity_low"], curve["sensitivity_high"], strict=True))
    line = Line([(1.0, 1.0), *zip(false, curve["sensitivity"], strict=True), (0.0, 0.0)], band=band)
    point = operating_point(bundle, finding)
    marked = [Point("", point.x, point.y)] if point else []
    return words.title, square(Square(words, (DIAGONAL, line), marked))


def precision(bundle: Evaluated, finding: FindingSpec, curve: Mapping[str, Any]) -> tuple[str, str]:
    """Precision against recall, with the share that has it as the line of chance."""
    say, figures = bundle.say, bundle.of(finding)
    words = Words(
        say("models.pr"), say("models.pr_desc", finding=finding.label),
        say("models.axis_recall"), say("models.axis_precision"),
    )  # fmt: skip
    chance = figures["positives"] / (figures["positives"] + figures["negatives"])
    both = zip(curve["sensitivity"], curve["specificity"], strict=True)
    line = Line([(found, right(found, left, chance)) for found, left in both if (found, left) != NOTHING_ACTED_ON])
    marked = []
    if operating_point(bundle, finding):
        at = (figures["sensitivity"]["value"], figures["specificity"]["value"])
        if at != NOTHING_ACTED_ON:
            mark = Mark(right(*at, chance), filled=finding.may_lift, shape="square")
            marked = [Point("", Mark(at[0]), mark)]
    level = Line(((0.0, chance), (1.0, chance)), faint=True)
    return words.title, square(Square(words, (level, line), marked))


def right(sensitivity: float, specificity: float, prevalence: float) -> float:
    """Share of what is acted on that has the finding (Bayes' rule), of something acted on."""
    hits = sensitivity * prevalence
    return hits / (hits + (1 - specificity) * (1 - prevalence))


def reliability(bundle: Evaluated, finding: FindingSpec, bins: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Found share against stated probability."""
    say = bundle.say
    words = Words(
        say("models.reliability"), say("models.reliability_desc", finding=finding.label),
        say("models.axis_stated"), say("models.axis_found"),
    )  # fmt: skip
    marked = [Point("", Mark(one["stated"]), Mark(one["found"], one["low"], one["high"])) for one in bins]
    return words.title, square(Square(words, (DIAGONAL,), marked))


def probabilities(bundle: Evaluated, finding: FindingSpec, curve: Mapping[str, Any]) -> tuple[str, str]:
    """Which probabilities those without the finding get, and those with it."""
    say = bundle.say
    words = Words(
        say("models.histogram"), say("models.histogram_desc", finding=finding.label),
        say("models.axis_probability"), say("models.axis_films"),
    )  # fmt: skip
    without = [1 - value for value in curve["specificity"]]
    series = [
        (say(name), between_edges(curve["probability"], above))
        for name, above in (("models.without_it", without), ("models.with_it", curve["sensitivity"]))
    ]
    guide = Guide(finding.operating_point, say("models.own_point").lower(), strong=True)
    return words.title, histogram(words, EDGES, series, guide)


def between_edges(thresholds: Sequence[float], above: Sequence[float]) -> list[float]:
    """Share in each bin of EDGES, where `above` is the share at or above each threshold; even between two of them."""
    reached = np.interp(EDGES, [0.0, *thresholds, 1.0], [1.0, *above, 0.0])
    return [float(share) for share in -np.diff(reached)]


def reliability_table(bundle: Evaluated, bins: Sequence[Mapping[str, Any]]) -> str:
    """The reliability's figures; the other curves' areas stand in the tables above."""
    say = bundle.say
    head = [say(f"models.{name}") for name in ("axis_stated", "axis_found", "interval", "number")]
    rows = [
        (f"{one['stated']:.3f}", f"{one['found']:.3f}", between(say, one["low"], one["high"]), f"{one['images']:,}")
        for one in bins
    ]
    return folded(say, table(head, rows, numbers=(0, 1, 3)))
