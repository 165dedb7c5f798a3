"""From scores to the level of a study: lift, never bury."""

from collections.abc import Sequence

from data_schemas.score import FindingScore
from data_schemas.urgency import Level, Urgency


def most_urgent(findings: Sequence[FindingScore]) -> tuple[FindingScore, ...]:
    """Findings as a reader wants them: lifting ones by level, other positives, the rest by probability."""

    def key(score: FindingScore) -> tuple[int, int, float, str]:
        lifts = score.positive and score.level is not None
        rank = score.level.rank if score.level is not None else len(Level)
        return (0 if lifts else 1, rank if lifts else 0 if score.positive else 1, -score.probability, score.finding)

    return tuple(sorted(findings, key=key))


def proposing(findings: Sequence[FindingScore]) -> tuple[FindingScore, ...]:
    """The positive findings that propose a level, the one that a reason names first."""
    return tuple(score for score in most_urgent(findings) if score.positive and score.level is not None)


def decide(ordered: Level, findings: Sequence[FindingScore]) -> Urgency:
    """The study's level: the most urgent of its ordered priority and of what positive findings propose.

    A finding whose level is None (weak evidence) proposes nothing. The reason names what decided; where the order
    already stands as high as the model would put it, the reason says both.
    """
    lifting = proposing(findings)
    top = lifting[0] if lifting else None
    if top is None or top.level is None:
        return Urgency(level=ordered, ordered_priority=ordered, reason=_ordered_words(ordered, bool(findings)))
    words = f"AI: {top.label} {top.probability:.2f} (acts from {top.operating_point:.2f})"
    if len(lifting) > 1:
        words += f", {len(lifting) - 1} more"
    if top.level.rank < ordered.rank:
        return Urgency(level=top.level, ordered_priority=ordered, reason=words)
    return Urgency(level=ordered, ordered_priority=ordered, reason=f"ordered {ordered}; {words}")


def not_scored(ordered: Level, why: str) -> Urgency:
    """A study without a score keeps its ordered priority and says why."""
    prefix = f"ordered {ordered}; " if ordered is not Level.ROUTINE else ""
    return Urgency(level=ordered, ordered_priority=ordered, reason=f"{prefix}not scored: {why}")


def _ordered_words(ordered: Level, scored: bool) -> str:
    if not scored:
        return f"ordered {ordered}"
    return f"ordered {ordered}; no finding lifts it"
