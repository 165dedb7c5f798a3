"""A site's own operating points: set with a reason, bound to the weights, taken back; each in the trail."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from data_schemas.bundle import BundleManifest
from data_schemas.errors import NotFound
from data_schemas.operating_point import SetBySite
from data_schemas.score import StudyScreening
from tests.models import tiny
from tests.store.studies import result, send
from triage.store import Store
from triage.store.database import version
from triage.store.operating_points import set_point, site_points
from triage.store.reading import past_screenings
from triage.store.screenings import begin_screening, record_screening
from triage.store.studies import study_record
from triage.store.trail import entries, verify


def manifest(weights: str = "a" * 64) -> BundleManifest:
    made = tiny.manifest()
    return made.model_copy(update={"network": made.network.model_copy(update={"weights_sha256": weights})})


def test_a_point_is_set_changed_and_taken_back_and_the_trail_tells_it(store: Store) -> None:
    before = version(store)
    assert set_point(store, manifest(), "effusion", 0.35, actor="reader", comment=" too many missed ")
    assert version(store) > before
    (point,) = site_points(store)
    assert (point.finding, point.point, point.own, point.actor) == ("effusion", 0.35, 0.4, "reader")
    assert point.comment == "too many missed"
    assert abs((datetime.now(UTC) - point.set_at).total_seconds()) < 60
    assert set_point(store, manifest(), "effusion", 0.3, actor="reader", comment="still")
    assert set_point(store, manifest(), "effusion", None, actor="command line", comment="a new scanner")
    assert site_points(store) == ()
    told = [(one.kind, one.actor, one.fields) for one in reversed(entries(store))]
    assert [kind for kind, _, _ in told] == ["operating point set", "operating point set", "operating point reset"]
    assert [(fields["before"], fields["after"]) for _, _, fields in told] == [(0.4, 0.35), (0.35, 0.3), (0.3, 0.4)]
    assert told[0][2]["comment"] == "too many missed"
    assert told[2][1] == "command line"
    assert all(fields["weights_sha256"] == "a" * 64 for _, _, fields in told)
    assert verify(store).intact


def test_what_is_in_force_already_is_no_decision(store: Store) -> None:
    assert set_point(store, manifest(), "effusion", None, actor="reader", comment="why not")
    assert entries(store) == []
    for _ in range(2):
        assert set_point(store, manifest(), "effusion", 0.35, actor="reader", comment="why")
    assert len(entries(store)) == 1


def test_a_decision_on_what_is_no_longer_in_force_changes_nothing(store: Store) -> None:
    assert set_point(store, manifest(), "effusion", 0.35, actor="reader", comment="first", seen=0.4)
    now = version(store)
    assert not set_point(store, manifest(), "effusion", 0.2, actor="reader", comment="late", seen=0.4)
    assert [one.point for one in site_points(store)] == [0.35]
    assert len(entries(store)) == 1
    assert version(store) == now


def test_of_two_who_decide_at_once_one_is_told_that_the_other_was_first(store: Store) -> None:
    def decide(number: int) -> bool:
        return set_point(store, manifest(), "mass", 0.1 + number / 100, actor="reader", comment="why", seen=0.4)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(decide, range(6))) == [False] * 5 + [True]
    assert len(site_points(store)) == len(entries(store)) == 1
    assert verify(store).intact


@pytest.mark.parametrize(
    ("point", "comment"),
    [(0.0, "why"), (1.0, "why"), (-0.1, "why"), (float("nan"), "why"), (0.3, ""), (0.3, "  "), (0.3, "x" * 501)],
)
def test_what_cannot_be_is_refused_and_leaves_no_trace(store: Store, point: float, comment: str) -> None:
    with pytest.raises(ValueError, match=r"operating point|comment"):
        set_point(store, manifest(), "effusion", point, actor="reader", comment=comment)
    with pytest.raises(NotFound, match="effusion, nodule, mass"):
        set_point(store, manifest(), "fracture", 0.3, actor="reader", comment="why")
    assert site_points(store) == ()
    assert entries(store) == []


def test_a_point_and_its_entry_are_there_together_or_not_at_all(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE trail RENAME TO gone"))
    with pytest.raises(Exception, match="trail"):
        set_point(store, manifest(), "effusion", 0.3, actor="reader", comment="why")
    assert site_points(store) == ()


def test_other_weights_have_their_own_points(store: Store) -> None:
    set_point(store, manifest(), "effusion", 0.35, actor="reader", comment="why")
    set_point(store, manifest("b" * 64), "effusion", 0.5, actor="reader", comment="why")
    assert sorted((one.weights_sha256[0], one.point) for one in site_points(store)) == [("a", 0.35), ("b", 0.5)]


def test_who_begins_a_study_is_told_the_points_in_force(store: Store) -> None:
    send(store, "1.1")
    assert begin_screening(store, "1.1").points == ()
    set_point(store, manifest(), "effusion", 0.35, actor="reader", comment="why")
    assert [one.point for one in begin_screening(store, "1.1").points] == [0.35]


def told_by(screening: StudyScreening, point: float, day: int) -> StudyScreening:
    """The result as it is at a site's point, set on that day."""
    site = SetBySite(own=0.4, set_at=datetime(2026, 11, day, tzinfo=UTC))
    scores = tuple(
        score.model_copy(update={"operating_point": point, "positive": score.probability >= point, "set_by_site": site})
        for score in screening.findings
    )
    image = screening.images[0].model_copy(update={"scores": scores})
    return screening.model_copy(update={"findings": scores, "images": (image,)})


def test_a_study_screened_again_after_a_change_of_point_has_another_result(store: Store) -> None:
    for number, (point, day) in enumerate([(0.4, 0), (0.35, 1), (0.9, 2), (0.35, 3), (0.35, 3)], start=1):
        send(store, "1.1", f"image {number}")
        again = told_by(result("1.1"), point, day) if day else result("1.1")
        record_screening(store, again, (), revision=number)
        assert study_record(store, "1.1").screening == again
    past = [one.result.findings[0] for one in past_screenings(store, "1.1")]
    assert [(score.operating_point, score.positive) for score in past] == [
        (0.35, True), (0.9, False), (0.35, True), (0.4, True)
    ]  # fmt: skip
    assert [score.set_by_site.set_at.day if score.set_by_site else 0 for score in past] == [3, 2, 1, 0]
