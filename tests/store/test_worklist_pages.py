"""The list as the page asks for it: filtered, searched, counted and turned page by page, on both databases alike."""

from time import time

import pytest
from sqlalchemy import insert, text

from data_schemas.reading import Verdict
from data_schemas.urgency import Level
from data_schemas.worklist import Cursor, StudyStatus, WorklistFilter
from tests.store.studies import result, send
from tests.store.test_worklist import plans
from triage.store import Store
from triage.store.database import reading, version, writing
from triage.store.reading import judge, mark_read, mark_unread, show_closed, show_open, withdraw
from triage.store.screenings import record_screening
from triage.store.studies import study_record
from triage.store.tables import studies
from triage.store.worklist import new_stats, page_of, position, pulse

EVERYONE = 100


def found(store: Store, **wanted: object) -> list[str]:
    page = page_of(store, WorklistFilter(**wanted), limit=EVERYONE)  # type: ignore[arg-type]
    assert page.found == len(page.rows)
    return [row.study.study_instance_uid for row in page.rows]


def test_filters_go_together(store: Store) -> None:
    for uid, level, modality in (
        ("a", None, "DX"),
        ("b", Level.STAT, "CT"),
        ("c", Level.STAT, "DX"),
        ("d", None, "CT"),
    ):
        send(store, uid, ordered=level, modality=modality)
    record_screening(store, result("a", Level.HIGH), (), revision=1)
    record_screening(store, result("d", scored=False), (), revision=1)
    assert found(store) == ["b", "c", "a", "d"]
    assert found(store, levels=(Level.STAT, Level.HIGH)) == ["b", "c", "a"]
    assert found(store, levels=(Level.STAT,), modalities=("DX",)) == ["c"]
    assert found(store, modalities=("CT", "DX"), status=StudyStatus.WAITING) == ["b", "c"]
    assert found(store, status=StudyStatus.NOT_SCORED) == ["d"]
    assert found(store, opened=("a", "unknown")) == ["a"]
    assert found(store, opened=()) == []
    counts = page_of(store, WorklistFilter(levels=(Level.LOW,)), limit=1).counts
    assert (counts.total, counts.stat, counts.not_scored, counts.modalities) == (4, 2, 1, {"CT": 2, "DX": 2})


@pytest.mark.parametrize(
    "typed",
    [
        "müller",
        "MUELLER",
        "Muller",
        "eva mül",
        "müller, eva",
        "müller^eva",
        "4711",
        "A/77",
        "bedside MÜLLER",
        "ｍüller",
    ],
)
def test_text_is_found_however_it_is_written(store: Store, typed: str) -> None:
    send(
        store,
        "a",
        patient_name="MÜLLER^EVA",
        patient_id="4711",
        accession_number="A/77",
        study_description="Thorax bedside",
    )
    send(store, "b", patient_name="ROE^JOHN", patient_id="0815", study_description="Thorax")
    assert found(store, text=typed) == ["a"]


@pytest.mark.parametrize("name", ["Yamada^Tarou=山田^太郎=やまだ^たろう", "عبد^الله", "Иванов^Пётр", "Nguyễn^Thị Ánh"])
def test_names_in_every_script_are_found_by_their_parts(store: Store, name: str) -> None:
    send(store, "a", patient_name=name)
    send(store, "b", patient_name="ROE^JOHN")
    for part in name.replace("=", "^").split("^"):
        assert found(store, text=part) == ["a"]


@pytest.mark.parametrize("typed", ["%", "_", "100%", "\\", "a\\", "'", '"', "%%%", "*", "?", "[a]"])
def test_signs_that_databases_know_are_only_text(store: Store, typed: str) -> None:
    send(store, "a", study_description=f"x{typed}y")
    send(store, "b", study_description="plain")
    assert found(store, text=typed) == ["a"]


@pytest.mark.parametrize("typed", ["\0", "\ud800", "x" * 200, "😀", "\u0301", " ^ "])
def test_no_text_breaks_the_search(store: Store, typed: str) -> None:
    send(store, "a", patient_name="ROE^JOHN")
    page_of(store, WorklistFilter(text=typed), limit=EVERYONE)


def test_pages_follow_one_another_without_gap_or_double(store: Store) -> None:
    levels = (Level.STAT, Level.HIGH, Level.ROUTINE, Level.LOW)
    for number in range(23):
        send(store, f"s{number}", ordered=levels[number * 7 % 4])
    whole = found(store)
    walked, after = list[str](), None
    while True:
        page = page_of(store, limit=5, after=after)
        if not page.rows:
            break
        assert page.before == len(walked)
        assert [row.position for row in page.rows] == list(range(len(walked) + 1, len(walked) + len(page.rows) + 1))
        walked += [row.study.study_instance_uid for row in page.rows]
        after = page.rows[-1].cursor
    assert walked == whole
    back = page_of(store, limit=5, before=Cursor(rank=9, sequence=0))
    assert [row.study.study_instance_uid for row in back.rows] == whole[-5:]
    first = page_of(store, limit=5, before=page_of(store, limit=2).rows[1].cursor)
    assert [row.study.study_instance_uid for row in first.rows] == whole[:5], "a page that would be short is the first"


def test_a_page_goes_on_from_a_place_whose_study_has_left(store: Store) -> None:
    for uid in "abcdef":
        send(store, uid)
    place = page_of(store, limit=3).rows[-1]
    mark_read(store, place.study.study_instance_uid, actor="reader")
    assert [row.study.study_instance_uid for row in page_of(store, limit=9, after=place.cursor).rows] == ["d", "e", "f"]


def test_places_are_those_of_the_whole_list_however_few_are_shown(store: Store) -> None:
    for number in range(12):
        send(
            store, f"s{number}", modality="CT" if number % 5 == 0 else "DX", ordered=Level.STAT if number > 9 else None
        )
    page = page_of(store, WorklistFilter(modalities=("CT",)), limit=9)
    assert [row.position for row in page.rows] == [position(store, row.study.study_instance_uid) for row in page.rows]
    assert [row.study.study_instance_uid for row in page.rows] == ["s10", "s0", "s5"]


def test_finished_studies_come_the_newest_first_and_have_no_place(store: Store) -> None:
    for uid in "abc":
        send(store, uid, patient_name=f"READ^{uid}")
        mark_read(store, uid, actor="reader")
    send(store, "d")
    assert found(store, status=StudyStatus.READ) == ["c", "b", "a"]
    assert found(store, status=StudyStatus.READ, text="read b") == ["b"]
    page = page_of(store, WorklistFilter(status=StudyStatus.READ), limit=2)
    assert [row.position for row in page.rows] == [None, None]
    after = page_of(store, WorklistFilter(status=StudyStatus.READ), limit=2, after=page.rows[-1].cursor)
    assert ([row.study.study_instance_uid for row in after.rows], after.before) == (["a"], 2)


def test_a_verdict_stands_in_the_row_until_it_is_taken_back_or_outdated(store: Store) -> None:
    send(store, "a")
    record_screening(store, result("a"), (), revision=1)

    def told() -> Verdict | None:
        return page_of(store, limit=1).rows[0].verdict

    assert told() is None
    screening = study_record(store, "a").screening_number
    assert screening is not None
    number = judge(store, "a", Verdict.AGREE, actor="reader", screening=screening)
    assert told() is Verdict.AGREE
    assert number is not None
    withdraw(store, "a", number, actor="reader")
    assert told() is None
    judge(store, "a", Verdict.OVER_CALLED, actor="reader", screening=screening)
    send(store, "a", "a.2")
    record_screening(store, result("a", images="j" * 64), (), revision=2)
    assert told() is None, "of an older result"


def test_a_study_is_news_once_for_each_time_it_comes_to_stand_at_stat(store: Store) -> None:
    send(store, "a", ordered=Level.STAT)
    heard = version(store)
    assert new_stats(store, since=heard, limit=9) == []
    send(store, "b")
    send(store, "c", ordered=Level.STAT)
    record_screening(store, result("b", Level.STAT), (), revision=1)
    assert [news.study.study_instance_uid for news in new_stats(store, since=heard, limit=9)] == ["b", "c"]
    heard = version(store)
    record_screening(store, result("b", Level.STAT, images="j" * 64), (), revision=1)
    assert new_stats(store, since=heard, limit=9) == []
    mark_read(store, "c", actor="reader")
    mark_unread(store, "c", actor="reader")
    assert new_stats(store, since=heard, limit=9) == []


def test_the_pulse_tells_what_is_open_until_it_is_closed_or_silent(store: Store) -> None:
    send(store, "a")
    now = time()
    show_open(store, "a", "window-1", actor="reader", at=now)
    assert pulse(store, at=now + 10).opened == {"a": "reader"}
    assert pulse(store, at=now + 100).opened == {}
    show_closed(store, "window-1")
    assert pulse(store, at=now + 10).opened == {}


def test_the_first_page_of_a_long_list_needs_no_look_at_every_study(store: Store) -> None:
    send(store, "first")
    with reading(store) as connection:
        pattern = dict(connection.execute(studies.select()).one()._mapping)
    rows = [pattern | {"sequence": n + 10, "study_uid": f"s{n}", "level_rank": n % 4} for n in range(20_000)]
    with writing(store) as connection:
        connection.execute(insert(studies), rows)
    if not store.embedded:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE studies"))
    last = Cursor(rank=2, sequence=10_000)
    for wanted in (WorklistFilter(), WorklistFilter(text="nobody"), WorklistFilter(levels=(Level.HIGH,))):
        for plan in plans(store, lambda wanted=wanted: page_of(store, wanted, limit=50, after=last)):  # type: ignore[misc]
            assert "Seq Scan on studies" not in plan, plan
            assert "SCAN studies\n" not in plan + "\n", plan
            assert "SCAN studies'" not in plan, plan
