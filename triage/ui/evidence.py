"""How well each finding is told, as plots and as tables of the same figures; what the file lacks is not invented."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor
from typing import Any

from data_schemas.bundle import EVIDENCE_FLOOR, FindingSpec
from triage.ui.evaluated import Evaluated, Shown, between, folded, has_value, ranged, share, table
from triage.ui.plots import Axis, Guide, Mark, Row, Words, forest

AREAS = {
    "auroc": "models.auroc_all",
    "auroc_within_source": "models.auroc_within_source",
    "auroc_within_source_and_view": "models.auroc_within_source_and_view",
}
"""Figures of the file and what they are called."""
GROUPS = ("by_source", "elsewhere", "by_view", "by_label", "by_sex", "by_age")
SHAPES = ("circle", "square", "diamond")


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
    if finding.lifts_to:
        return bundle.say("models.lifts_to", finding="", level=finding.lifts_to).strip()
    return bundle.say("models.experimental").lower()


def finding_table(bundle: Evaluated) -> str:
    """The manifest's figures, one row a finding; how they were measured is folded."""
    say = bundle.say
    head = ("finding", "proposes", "own_point", "auroc", "interval", "with_it", "without_it")
    rows = [
        (
            finding.label,
            str(finding.lifts_to) if finding.lifts_to else say("models.experimental_long"),
            f"{finding.operating_point:.2f}",
            f"{finding.evidence.auroc:.2f}",
            between(say, finding.evidence.low, finding.evidence.high),
            f"{finding.evidence.positives:,}",
            f"{finding.evidence.negatives:,}",
        )
        for finding in bundle.manifest.findings
    ]
    how = [(one.label, one.evidence.method, one.operating_point_chosen) for one in bundle.manifest.findings]
    measured = table([say(f"models.{name}") for name in ("finding", "auroc", "own_point")], how)
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
        if len(names) < (1 if kind == "elsewhere" else 2):
            continue
        legend = [Mark(0, shape=SHAPES[place], name=name) for place, name in enumerate(names)]
        rows = []
        for finding in bundle.known:
            found = bundle.of(finding).get(kind, {})
            rows.append(Row(finding.label, marks_of([(name, found.get(name, {}).get("auroc")) for name in names])))
            cells += [group_cells(bundle, finding, kind, name, found[name]) for name in names if name in found]
        title = say("models.by", group=say(f"models.{kind}"))
        about = say("models.elsewhere_desc" if kind == "elsewhere" else "models.groups_desc")
        words = Words(title, about, say("models.axis_auroc"))
        parts.append((title, areas(bundle, words, rows, legend)))
    if not parts:
        return None
    about = say("models.groups_desc")
    if any(bundle.of(finding).get("elsewhere") for finding in bundle.known):
        about = f"{about} {say('models.elsewhere_desc')}"
    names_of_columns = ("finding", "group", "auroc", "sensitivity", "specificity", "with_it", "without_it")
    figures = table([say(f"models.{name}") for name in names_of_columns], cells, numbers=(3, 4, 5, 6))
    return Shown(say("models.groups"), about, parts, folded(say, figures))


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
