"""What a bundle's evaluation.json holds, as plots and as tables of the same figures; what it lacks is not invented."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor
from pathlib import Path
from typing import Any

from data_schemas.bundle import EVIDENCE_FLOOR, BundleManifest, FindingSpec
from triage.ui.plots import Axis, Guide, Line, Mark, Point, Row, Square, Words, forest, histogram, square
from triage.web.words import Say

AREAS = {
    "auroc": "models.auroc_all",
    "auroc_within_source": "models.auroc_within_source",
    "auroc_within_source_and_view": "models.auroc_within_source_and_view",
}
"""Figures of the file and what they are called."""
GROUPS = ("by_source", "by_view", "by_label")
SHAPES = ("circle", "square", "diamond")
DIAGONAL = Line(((0.0, 0.0), (1.0, 1.0)), faint=True)


@dataclass(frozen=True)
class Evaluated:
    """A manifest with what is known of its answers; `figures` is empty where the file is missing."""

    manifest: BundleManifest
    figures: Mapping[str, Any]
    say: Say

    def of(self, finding: FindingSpec) -> Mapping[str, Any]:
        """The figures of one finding."""
        found: Mapping[str, Any] = self.figures.get("findings", {}).get(finding.name, {})
        return found

    @property
    def known(self) -> list[FindingSpec]:
        """Findings of which the file holds figures."""
        return [finding for finding in self.manifest.findings if self.of(finding)]


@dataclass(frozen=True)
class Shown:
    """A part of the sheet: its name, what it shows, plots (name and SVG), and the same figures as HTML."""

    title: str
    description: str = ""
    plots: Sequence[tuple[str, str]] = ()
    figures: str = ""


def read_figures(folder: Path, manifest: BundleManifest) -> dict[str, Any]:
    """evaluation.json of the bundle; empty where it is missing, is not JSON, or speaks of other weights."""
    try:
        content = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    weights = content.get("bundle", {}).get("weights_sha256")
    return content if weights == manifest.network.weights_sha256 else {}


def evidence(bundle: Evaluated) -> Shown:
    """The one picture that matters most: which finding is told how well, and which may therefore lift urgency."""
    say, rows = bundle.say, []
    for finding in bundle.manifest.findings:
        one = finding.evidence
        name = f"{finding.label}: {one.auroc:.2f} ({between(say, one.low, one.high)})"
        mark = Mark(one.auroc, one.low, one.high, filled=finding.may_lift, shape="square", name=name)
        rows.append(Row(finding.label, (mark,), effect(bundle, finding)))
    limit = f"{EVIDENCE_FLOOR:.2f}"
    lifting = ", ".join(finding.label for finding in bundle.manifest.findings if finding.may_lift)
    words = Words(
        say("models.evidence"),
        say("models.evidence_desc", floor=limit, lifting=lifting or say("models.nobody")),
        say("models.axis_auroc"),
    )
    guides = (Guide(EVIDENCE_FLOOR, say("models.floor_mark", floor=limit), strong=True),)
    lows = [finding.evidence.low for finding in bundle.manifest.findings]
    drawn = forest(words, rows, areas_axis(lows), (*guides, Guide(0.5, say("models.chance_mark"))))
    return Shown(words.title, "", (("", drawn),), finding_table(bundle))


def effect(bundle: Evaluated, finding: FindingSpec) -> str:
    """What a positive finding does."""
    if finding.may_lift:
        return bundle.say("models.lifts_to", finding="", level=finding.proposes).strip()
    return bundle.say("models.experimental").lower()


def finding_table(bundle: Evaluated) -> str:
    """The manifest's figures, one row a finding; how they were measured is folded."""
    say = bundle.say
    head = ("finding", "proposes", "acts_from", "auroc", "interval", "with_it", "without_it")
    rows = [
        (
            finding.label,
            str(finding.proposes) if finding.may_lift else say("models.experimental_long"),
            f"{finding.operating_point:.2f}",
            f"{finding.evidence.auroc:.2f}",
            between(say, finding.evidence.low, finding.evidence.high),
            f"{finding.evidence.positives:,}",
            f"{finding.evidence.negatives:,}",
        )
        for finding in bundle.manifest.findings
    ]
    how = [(one.label, one.evidence.method, one.operating_point_chosen) for one in bundle.manifest.findings]
    measured = table([say(f"models.{name}") for name in ("finding", "auroc", "acts_from")], how)
    return (
        table([say(f"models.{name}") for name in head], rows, numbers=(2, 3, 5, 6))
        + f"<details><summary>{escape(say('models.how'))}</summary>{measured}</details>"
    )


def measures(bundle: Evaluated) -> Shown | None:
    """AUROC over all pairs, and over pairs that a difference between collections or views cannot win."""
    say = bundle.say
    shown = [name for name in AREAS if any(has_value(bundle.of(finding).get(name)) for finding in bundle.known)]
    if len(shown) < 2:
        return None
    legend = [Mark(0, shape=SHAPES[place], name=say(AREAS[name])) for place, name in enumerate(shown)]
    rows = [
        Row(finding.label, marks_of([(say(AREAS[name]), bundle.of(finding).get(name)) for name in shown]))
        for finding in bundle.known
    ]
    words = Words(say("models.measures"), say("models.measures_desc"), say("models.axis_auroc"))
    cells = [
        (finding.label, *(ranged(bundle, bundle.of(finding).get(name)) for name in shown)) for finding in bundle.known
    ]
    head = [say("models.finding"), *(say(AREAS[name]) for name in shown)]
    plot = areas(bundle, words, rows, legend)
    return Shown(words.title, words.description, (("", plot),), folded(say, table(head, cells)))


def groups(bundle: Evaluated) -> Shown | None:
    """AUROC within each group, one plot for each way of grouping."""
    say, parts, cells = bundle.say, [], []
    for kind in GROUPS:
        names = sorted({name for finding in bundle.known for name in bundle.of(finding).get(kind, {})})[: len(SHAPES)]
        if len(names) < 2:
            continue
        legend = [Mark(0, shape=SHAPES[place], name=name) for place, name in enumerate(names)]
        rows = []
        for finding in bundle.known:
            found = bundle.of(finding).get(kind, {})
            rows.append(Row(finding.label, marks_of([(name, found.get(name, {}).get("auroc")) for name in names])))
            cells += [group_cells(bundle, finding, kind, name, found[name]) for name in names if name in found]
        title = say("models.by", group=say(f"models.{kind}"))
        words = Words(title, say("models.groups_desc"), say("models.axis_auroc"))
        parts.append((title, areas(bundle, words, rows, legend)))
    if not parts:
        return None
    names_of_columns = ("finding", "group", "auroc", "sensitivity", "specificity", "with_it", "without_it")
    figures = table([say(f"models.{name}") for name in names_of_columns], cells, numbers=(3, 4, 5, 6))
    return Shown(say("models.groups"), say("models.groups_desc"), parts, folded(say, figures))


def group_cells(
    bundle: Evaluated, finding: FindingSpec, kind: str, name: str, found: Mapping[str, Any]
) -> tuple[str, ...]:
    """One row of the groups' table."""
    return (
        finding.label,
        f"{bundle.say(f'models.{kind}')}: {name}",
        ranged(bundle, found.get("auroc")),
        share(found.get("sensitivity")),
        share(found.get("specificity")),
        f"{found.get('positives', 0):,}",
        f"{found.get('negatives', 0):,}",
    )


def points(bundle: Evaluated) -> Shown | None:
    """Where each finding's operating point lies; with whole curves behind it where the file holds them."""
    say = bundle.say
    marked = [finding for finding in bundle.known if operating_point(bundle, finding)]
    if not marked:
        return None
    drawn = [point for finding in marked if (point := operating_point(bundle, finding))]
    with_curves = any("curves" in bundle.of(finding) for finding in marked)
    words = Words(
        say("models.points"), say("models.points_desc"), say("models.axis_false"), say("models.axis_sensitivity")
    )
    head = ("finding", "acts_from", "sensitivity", "specificity", "auprc", "prevalence", "calibration_error")
    cells = [point_cells(bundle, finding) for finding in marked]
    figures = table([say(f"models.{name}") for name in head], cells, numbers=(1, 5, 6))
    note = "" if with_curves else f'<p class="t-dim">{escape(say("models.curves_none"))}</p>'
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


def curves(bundle: Evaluated) -> list[Shown]:
    """ROC, precision and recall, reliability and probabilities of each finding, where the file holds them."""
    say, parts = bundle.say, []
    for finding in bundle.known:
        found = bundle.of(finding).get("curves")
        if found:
            plots = [draw(bundle, finding, found) for draw in (roc, precision, reliability, probabilities)]
            title = say("models.curves", finding=finding.label)
            parts.append(Shown(title, say("models.curves_desc"), plots, curve_table(bundle, found)))
    return parts


def roc(bundle: Evaluated, finding: FindingSpec, found: Mapping[str, Any]) -> tuple[str, str]:
    """Sensitivity against 1 - specificity, with its band and the operating point."""
    say, curve = bundle.say, found["roc"]
    words = Words(
        say("models.roc"), say("models.roc_desc", finding=finding.label),
        say("models.axis_false_short"), say("models.axis_sensitivity"),
    )  # fmt: skip
    line = Line(list(zip(curve["false"], curve["true"], strict=True)), band=[tuple(one) for one in curve["band"]])
    point = operating_point(bundle, finding)
    marked = [Point("", point.x, point.y)] if point else []
    return words.title, square(Square(words, (DIAGONAL, line), marked))


def precision(bundle: Evaluated, finding: FindingSpec, found: Mapping[str, Any]) -> tuple[str, str]:
    """Precision against recall, with the share that has it as the line of chance."""
    say, curve, figures = bundle.say, found["pr"], bundle.of(finding)
    words = Words(
        say("models.pr"), say("models.pr_desc", finding=finding.label),
        say("models.axis_recall"), say("models.axis_precision"),
    )  # fmt: skip
    images = figures["positives"] + figures["negatives"]
    chance = figures["positives"] / images
    line = Line(list(zip(curve["recall"], curve["precision"], strict=True)))
    at = found["operating_point"]
    point = Point("", Mark(at["recall"]), Mark(at["precision"], filled=finding.may_lift, shape="square"))
    level = Line(((0.0, chance), (1.0, chance)), faint=True)
    return words.title, square(Square(words, (level, line), (point,)))


def reliability(bundle: Evaluated, finding: FindingSpec, found: Mapping[str, Any]) -> tuple[str, str]:
    """Found share against stated probability."""
    say = bundle.say
    words = Words(
        say("models.reliability"), say("models.reliability_desc", finding=finding.label),
        say("models.axis_stated"), say("models.axis_found"),
    )  # fmt: skip
    marked = [
        Point("", Mark(one["stated"]), Mark(one["found"], one["low"], one["high"])) for one in found["reliability"]
    ]
    return words.title, square(Square(words, (DIAGONAL,), marked))


def probabilities(bundle: Evaluated, finding: FindingSpec, found: Mapping[str, Any]) -> tuple[str, str]:
    """Which probabilities those without the finding get, and those with it."""
    say, counts = bundle.say, found["histogram"]
    words = Words(
        say("models.histogram"), say("models.histogram_desc", finding=finding.label),
        say("models.axis_probability"), say("models.axis_films"),
    )  # fmt: skip
    series = []
    for name, key in (("models.without_it", "without"), ("models.with_it", "with")):
        total = sum(counts[key]) or 1
        series.append((say(name), [count / total for count in counts[key]]))
    guide = Guide(finding.operating_point, say("models.acts_from").lower(), strong=True)
    return words.title, histogram(words, counts["edges"], series, guide)


def curve_table(bundle: Evaluated, found: Mapping[str, Any]) -> str:
    """The reliability's figures; the other curves' areas stand in the tables above."""
    say = bundle.say
    head = [say(f"models.{name}") for name in ("axis_stated", "axis_found", "interval", "number")]
    rows = [
        (f"{one['stated']:.3f}", f"{one['found']:.3f}", between(say, one["low"], one["high"]), f"{one['images']:,}")
        for one in found["reliability"]
    ]
    return folded(say, table(head, rows, numbers=(0, 1, 3)))


def stopped(bundle: Evaluated) -> Shown | None:
    """How far images of other kinds lie from the training images."""
    say, gate = bundle.say, bundle.figures.get("distribution", {})
    kinds: Mapping[str, Any] = gate.get("stopped", {})
    if not kinds:
        return None
    threshold = bundle.manifest.ood.threshold
    far = max([threshold, *(float(row["nearest"]) for row in kinds.values() if row.get("nearest") is not None)])
    axis = Axis(0.0, float(ceil(far)), [float(tick) for tick in range(0, ceil(far) + 1, max(1, ceil(far) // 5))])
    limit = f"{threshold:.2f}"
    words = Words(say("models.stopped"), say("models.stopped_desc", threshold=limit), say("models.axis_distance"))
    rows = [
        Row(kind, (Mark(float(row["nearest"]), shape="diamond"),), f"{row['nearest']:.1f}")
        for kind, row in kinds.items()
        if row.get("nearest") is not None
    ]
    guide = Guide(threshold, say("models.threshold_mark", threshold=limit), strong=True)
    head = [say(f"models.{name}") for name in ("stopped_kind", "tested", "stopped_share", "nearest")]
    cells = [
        (kind, f"{row['images']:,}", share(row["stopped"]), f"{row.get('nearest') or 0:.1f}")
        for kind, row in kinds.items()
    ]
    figures = table(head, cells, numbers=(1, 2, 3))
    untested = gate.get("not_tested")
    note = f'<p class="t-dim">{escape(say("models.not_tested", what=untested))}</p>' if untested else ""
    plot = forest(words, rows, axis, (guide,))
    return Shown(words.title, words.description, (("", plot),), note + folded(say, figures))


# Parts


def areas(bundle: Evaluated, words: Words, rows: Sequence[Row], legend: Sequence[Mark]) -> str:
    """A forest plot of AUROCs on an axis that holds every interval."""
    lows = [mark.value if mark.low is None else mark.low for row in rows for mark in row.marks]
    limit = f"{EVIDENCE_FLOOR:.2f}"
    guides = (
        Guide(EVIDENCE_FLOOR, bundle.say("models.floor_short", floor=limit), strong=True),
        Guide(0.5, bundle.say("models.chance_mark")),
    )
    return forest(words, rows, areas_axis(lows), guides, legend)


def areas_axis(lows: Sequence[float]) -> Axis:
    """From the tenth below the lowest, at most 0.5, to 1."""
    start = min(5, floor(min(lows, default=0.5) * 10))
    return Axis(start / 10, 1.0, [tenth / 10 for tenth in range(start, 11)])


def marks_of(figures: Sequence[tuple[str, Mapping[str, Any] | None]]) -> list[Mark]:
    """Figures with their intervals, one shape each; what was not measured has no mark."""
    return [
        Mark(one["value"], one.get("low"), one.get("high"), shape=SHAPES[place], name=f"{name}: {one['value']:.2f}")
        for place, (name, one) in enumerate(figures)
        if one is not None and has_value(one)
    ]


def has_value(figure: Mapping[str, Any] | None) -> bool:
    """Whether there is a figure at all."""
    return figure is not None and figure.get("value") is not None


def ranged(bundle: Evaluated, figure: Mapping[str, Any] | None) -> str:
    """0.81 (0.79 to 0.83), or a dash."""
    if figure is None or figure.get("value") is None:
        return "–"
    if figure.get("low") is None:
        return f"{figure['value']:.2f}"
    return f"{figure['value']:.2f} ({between(bundle.say, figure['low'], figure['high'])})"


def between(say: Say, low: float, high: float) -> str:
    """An interval in words."""
    return say("models.interval_words", low=f"{low:.2f}", high=f"{high:.2f}")


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{value:.1%}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; every text is escaped."""
    kinds = [" class=num" if place in numbers else "" for place in range(len(head))]
    titles = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    scroll = f'<div class="t-scroll" tabindex="0" role="region" aria-label="{escape(", ".join(head))}">'
    return f"{scroll}<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def folded(say: Say, content: str) -> str:
    """Opened by who wants it."""
    return f"<details><summary>{escape(say('models.figures'))}</summary>{content}</details>"
