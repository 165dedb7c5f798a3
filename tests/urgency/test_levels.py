"""AI lifts, never buries: what a reader may rely on, for any scores."""

from hypothesis import given
from hypothesis import strategies as st

from data_schemas.score import FindingScore
from data_schemas.urgency import Level
from triage.urgency.levels import decide, most_urgent, not_scored

LEVELS = st.sampled_from(list(Level))


@st.composite
def scores(draw: st.DrawFn) -> FindingScore:
    probability = draw(st.floats(0, 1))
    point = draw(st.floats(0, 1))
    name = draw(st.sampled_from(["opacity", "effusion", "pneumothorax", "nodule"]))
    return FindingScore(
        finding=name,
        label=name,
        probability=probability,
        operating_point=point,
        positive=probability >= point,
        level=draw(st.none() | LEVELS),
    )


def finding(probability: float, level: Level | None, point: float = 0.41) -> FindingScore:
    return FindingScore(
        finding="pneumothorax",
        label="pneumothorax",
        probability=probability,
        operating_point=point,
        positive=probability >= point,
        level=level,
    )


@given(LEVELS, st.lists(scores(), max_size=6))
def test_scores_never_put_a_study_below_its_ordered_priority(ordered: Level, findings: list[FindingScore]) -> None:
    assert decide(ordered, findings).level.rank <= ordered.rank


@given(LEVELS, st.lists(scores(), max_size=6), scores())
def test_one_more_score_never_worsens_the_level(
    ordered: Level, findings: list[FindingScore], extra: FindingScore
) -> None:
    assert decide(ordered, [*findings, extra]).level.rank <= decide(ordered, findings).level.rank


@given(LEVELS, st.lists(scores(), max_size=6))
def test_the_level_is_ordered_or_proposed_by_a_positive_finding_with_evidence(
    ordered: Level, findings: list[FindingScore]
) -> None:
    allowed = {ordered} | {f.level for f in findings if f.positive and f.level is not None}
    assert decide(ordered, findings).level in allowed


@given(st.lists(scores(), max_size=6))
def test_sorting_findings_keeps_them_all(findings: list[FindingScore]) -> None:
    assert sorted(f.model_dump_json() for f in most_urgent(findings)) == sorted(f.model_dump_json() for f in findings)


def test_the_reason_names_the_finding_and_its_operating_point() -> None:
    urgency = decide(Level.ROUTINE, [finding(0.83, Level.STAT)])
    assert urgency.level is Level.STAT
    assert urgency.reason == "AI: pneumothorax 0.83 (acts from 0.41)"


def test_weak_evidence_proposes_nothing() -> None:
    urgency = decide(Level.ROUTINE, [finding(0.99, None)])
    assert urgency.level is Level.ROUTINE
    assert urgency.reason == "ordered ROUTINE; no finding lifts it"


def test_an_ordered_stat_says_so_and_names_the_finding_too() -> None:
    assert decide(Level.STAT, [finding(0.83, Level.HIGH)]).reason.startswith("ordered STAT; AI: pneumothorax 0.83")


def test_not_scored_keeps_the_ordered_priority_and_says_why() -> None:
    assert not_scored(Level.ROUTINE, "lateral view").reason == "not scored: lateral view"
    assert not_scored(Level.STAT, "lateral view").level is Level.STAT
    assert not_scored(Level.STAT, "lateral view").reason == "ordered STAT; not scored: lateral view"
