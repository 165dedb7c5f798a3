"""A file comes in chunks, goes on after a broken connection or a killed server, and can be given up."""

import errno
import io
import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from data_schemas.urgency import Level
from data_schemas.worklist import FileReport
from tests.dicom import as_bytes, dx
from tests.web.asgi import Answer, ask
from triage.intake.limits import IntakeLimits
from triage.intake.sweep import remove_abandoned, sweep
from triage.store.studies import study_record
from triage.store.trail import entries
from triage.web import uploads
from triage.web.arrivals import Arrival, Arrivals
from triage.web.door import Door
from triage.web.routes import routes
from triage.web.site import Site, opened

MIB = 1024 * 1024
ID = "0123456789abcdef0123456789abcdef"


def put(
    app: Starlette,
    inside: dict[str, str],
    content: Iterable[bytes],
    offset: int,
    length: int,
    *,
    name: str = "film.dcm",
    upload: str = ID,
    query: str = "",
) -> Answer:
    stated = {"X-File-Name": name, "Upload-Offset": str(offset), "Upload-Length": str(length)}
    return ask(app, f"/api/uploads/{upload}", method="PUT", query=query, headers=inside | stated, body=content)


def how_far(app: Starlette, inside: dict[str, str], upload: str = ID, query: str = "") -> Any:
    return ask(app, f"/api/uploads/{upload}", headers=inside, query=query).json


def packed(**contents: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


def in_spool(site: Site) -> list[Path]:
    return list(site.settings.spool.iterdir())


def test_a_film_in_three_chunks_is_taken_in_with_the_chosen_priority(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    dataset = dx()
    content = as_bytes(dataset)
    size = len(content)
    for start, end in ((0, 5000), (5000, 5001), (5001, size)):
        answer = put(app, inside, [content[start:end]], start, size, query="priority=STAT")
        assert answer.status == 200
        if end < size:
            assert answer.json == {"offset": end, "state": "arriving", "reports": []}
    assert answer.json["state"] == "done"
    report = answer.json["reports"][0]
    uid = str(dataset.StudyInstanceUID)
    assert (report["accepted"], report["sentence"], report["study_instance_uid"]) == (True, "taken in", uid)
    record = study_record(site.store, uid)
    assert record.ordered_priority is Level.STAT
    assert record.instances[0].path.read_bytes() == content
    assert in_spool(site) == []


def test_an_answer_that_was_lost_can_be_asked_for_again(app: Starlette, inside: dict[str, str]) -> None:
    content = as_bytes(dx())
    first = put(app, inside, [content], 0, len(content))
    assert how_far(app, inside)["reports"] == first.json["reports"]
    again = put(app, inside, [content], 0, len(content))
    assert again.json["reports"][0]["sentence"] == "taken in"


def test_the_same_file_twice_is_already_here(app: Starlette, inside: dict[str, str], site: Site) -> None:
    content = as_bytes(dx())
    put(app, inside, [content], 0, len(content))
    again = put(app, inside, [content], 0, len(content), upload="f" * 32)
    assert again.json["reports"][0]["sentence"] == "already here, the very same file"
    assert again.json["reports"][0]["outcome"] == "duplicate"
    assert in_spool(site) == []


@pytest.mark.parametrize("offset", [0, 999, 1001, 5000])
def test_a_chunk_at_the_wrong_place_is_not_written(app: Starlette, inside: dict[str, str], offset: int) -> None:
    content = as_bytes(dx())
    put(app, inside, [content[:1000]], 0, len(content))
    wrong = put(app, inside, [content[offset : offset + 10]], offset, len(content))
    assert (wrong.status, wrong.json["offset"]) == (409, 1000)
    right = put(app, inside, [content[1000:]], 1000, len(content))
    assert right.json["reports"][0]["sentence"] == "taken in"


def test_a_connection_that_breaks_leaves_what_has_arrived(app: Starlette, inside: dict[str, str], site: Site) -> None:
    content = (
        as_bytes(
            dx(),
        )
        + b"\0" * 0
    )
    length = 3 * MIB // 4
    content = (content * 100)[:length]

    def breaks() -> Iterator[bytes]:
        yield content[: length // 2]
        raise ConnectionError

    put(app, inside, [content[:100]], 0, length)
    with pytest.raises(ConnectionError):
        put(app, inside, breaks(), 100, length)
    reached = how_far(app, inside)["offset"]
    assert reached >= 100
    answer = put(app, inside, [content[reached:]], reached, length)
    assert answer.json["state"] == "done"
    assert in_spool(site) == []


def test_a_server_that_was_killed_goes_on_where_the_part_ends(site: Site, inside: dict[str, str]) -> None:
    dataset = dx()
    content = as_bytes(dataset)
    before = Starlette(routes=routes(site), middleware=[Middleware(Door, token=site.token)])
    put(before, inside, [content[:1234]], 0, len(content))
    with opened(site.settings) as anew:
        after = Starlette(routes=routes(anew), middleware=[Middleware(Door, token=anew.token)])
        assert how_far(after, inside) == {"offset": 1234, "state": "arriving", "reports": []}
        answer = put(after, inside, [content[1234:]], 1234, len(content))
        assert answer.json["reports"][0]["accepted"] is True
        assert study_record(anew.store, dataset.StudyInstanceUID).instances[0].path.read_bytes() == content


def test_a_whole_file_that_nobody_read_before_the_server_was_killed_is_read(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    content = as_bytes(dx())
    (site.settings.spool / f"{ID}.upload.part").write_bytes(content)
    assert how_far(app, inside)["offset"] == len(content)
    assert put(app, inside, [], len(content), len(content)).json["reports"][0]["accepted"] is True


def test_giving_up_leaves_nothing_half_written(app: Starlette, inside: dict[str, str], site: Site) -> None:
    content = as_bytes(dx())
    put(app, inside, [content[:1000]], 0, len(content))
    assert len(in_spool(site)) == 1
    answer = ask(app, f"/api/uploads/{ID}", method="DELETE", headers=inside)
    assert answer.json == {"offset": 0, "state": "arriving", "reports": []}
    assert in_spool(site) == []
    assert [entry.kind for entry in entries(site.store)] == []


def test_giving_up_a_file_that_is_in_says_so(app: Starlette, inside: dict[str, str]) -> None:
    content = as_bytes(dx())
    put(app, inside, [content], 0, len(content))
    answer = ask(app, f"/api/uploads/{ID}", method="DELETE", headers=inside)
    assert (answer.json["state"], answer.json["reports"][0]["sentence"]) == ("done", "taken in")


def test_an_archive_in_chunks_gives_one_report_for_each_member_from_any_on(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    content = packed(**{"a.dcm": as_bytes(dx()), "notes.txt": b"hello", "b.dcm": as_bytes(dx())})
    put(app, inside, [content[:70]], 0, len(content), name="all.zip")
    answer = put(app, inside, [content[70:]], 70, len(content), name="all.zip")
    said = [(report["file"], report["accepted"]) for report in answer.json["reports"]]
    assert said == [("all.zip: a.dcm", True), ("all.zip: notes.txt", False), ("all.zip: b.dcm", True)]
    later = how_far(app, inside, query="from=2")
    assert [report["file"] for report in later["reports"]] == ["all.zip: b.dcm"]
    assert in_spool(site) == []


def test_a_long_archive_is_told_while_it_is_read(
    app: Starlette, inside: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PATIENCE_S", 0.0)
    content = packed(**{f"{number}.txt": b"no image" for number in range(30)})
    answer = put(app, inside, [content], 0, len(content), name="long.zip")
    assert answer.json["state"] in ("reading", "done")
    # each request has an event loop of its own here, and the loop's end waits for the reading's thread
    assert answer.status == 200


@pytest.mark.parametrize("name", ["report.pdf", "é.dcm"])
def test_a_file_that_is_no_image_gets_a_sentence(app: Starlette, inside: dict[str, str], site: Site, name: str) -> None:
    content = b"%PDF-1.7 " + b"x" * 5000
    answer = put(app, inside, [content], 0, len(content), name=quote(name))
    assert answer.json["reports"] == [
        {
            "file": name,
            "accepted": False,
            "sentence": "a PDF document, not an image; ask for the DICOM file",
            "study_instance_uid": "",
            "outcome": None,
        }
    ]
    assert entries(site.store)[0].kind == "refused"
    assert in_spool(site) == []


def test_an_empty_file_says_so(app: Starlette, inside: dict[str, str]) -> None:
    assert put(app, inside, [], 0, 0).json["reports"][0]["sentence"] == "is empty"


def test_a_file_beyond_the_limit_is_refused_unread(app: Starlette, inside: dict[str, str], site: Site) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = put(app, inside, never(), 0, 2 * MIB)
    assert answer.json["reports"][0]["sentence"] == "larger than the limit of 1 MiB"
    assert entries(site.store)[0].fields["why"] == "larger than the limit of 1 MiB"
    assert in_spool(site) == []


def test_more_bytes_than_stated_are_not_kept(app: Starlette, inside: dict[str, str]) -> None:
    answer = put(app, inside, [b"x" * 20], 0, 10)
    assert answer.status == 400
    assert how_far(app, inside)["offset"] == 0


def test_a_full_disk_stops_the_file_in_words_and_it_goes_on_when_there_is_room(
    app: Starlette, inside: dict[str, str], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = as_bytes(dx())
    put(app, inside, [content[:1000]], 0, len(content))
    with monkeypatch.context() as full:

        def refuse(descriptor: int, block: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr("triage.web.arrivals.write_whole", refuse)
        answer = put(app, inside, [content[1000:]], 1000, len(content))
    assert (answer.status, answer.json) == (507, {"error": "the disk is full; make room and send it again"})
    assert put(app, inside, [content[1000:]], 1000, len(content)).json["state"] == "done"


def test_a_disk_with_little_room_stops_the_file_before_it_is_sent(
    tmp_path: Path, site: Site, inside: dict[str, str]
) -> None:
    scarce = site.settings.model_copy(update={"min_free_mib": 10**9})
    with opened(scarce) as anew:
        after = Starlette(routes=routes(anew), middleware=[Middleware(Door, token=anew.token)])
        answer = put(after, inside, [b"x"], 0, 1)
    assert answer.status == 507
    assert "make room" in answer.json["error"]


@pytest.mark.parametrize(
    ("upload", "headers", "query"),
    [
        ("ABC", {}, ""),
        (ID.upper(), {}, ""),
        (ID, {"X-File-Name": ""}, ""),
        (ID, {"Upload-Offset": "-1"}, ""),
        (ID, {"Upload-Offset": ""}, ""),
        (ID, {"Upload-Length": "9" * 40}, ""),
        (ID, {}, "priority=SOON"),
    ],
)
def test_a_request_that_our_page_does_not_make_is_refused(
    app: Starlette, inside: dict[str, str], site: Site, upload: str, headers: dict[str, str], query: str
) -> None:
    stated = {"X-File-Name": "a", "Upload-Offset": "0", "Upload-Length": "1"} | headers
    answer = ask(app, f"/api/uploads/{upload}", method="PUT", query=query, headers=inside | stated, body=[b"x"])
    assert answer.status == 400
    assert answer.json["error"]
    assert in_spool(site) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nobody_without_the_token_comes_near(app: Starlette, site: Site, method: str) -> None:
    stated = {"X-File-Name": "a", "Upload-Offset": "0", "Upload-Length": "1"}
    assert ask(app, f"/api/uploads/{ID}", method=method, headers=stated, body=[b"x"]).status == 401
    assert ask(app, "/api/upload/completed", method="POST", body=[b"{}"]).status == 401
    assert in_spool(site) == []


def test_a_series_that_was_sent_whole_need_not_wait_for_more(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    dataset = dx(Modality="CT")
    content = as_bytes(dataset)
    put(app, inside, [content], 0, len(content))
    uid = str(dataset.StudyInstanceUID)
    assert screen_from(site, uid) > time.time() - 60
    body = [f'{{"studies": ["{uid}"]}}'.encode()]
    assert ask(app, "/api/upload/completed", method="POST", headers=inside, body=body).status == 200
    assert screen_from(site, uid) == 0


@pytest.mark.parametrize("body", ["[]", "{}", '{"studies": [1]}', '{"studies": "1.2"}'])
def test_only_a_list_of_studies_is_completed(app: Starlette, inside: dict[str, str], body: str) -> None:
    answer = ask(app, "/api/upload/completed", method="POST", headers=inside, body=[body.encode()])
    assert answer.status == 400


def screen_from(site: Site, uid: str) -> float:
    with site.store.engine.connect() as connection:
        row = connection.exec_driver_sql("select screen_from from studies where study_uid = ?", (uid,))
        return float(row.scalar_one())


def test_parts_that_nobody_wrote_to_for_a_day_go(app: Starlette, inside: dict[str, str], site: Site) -> None:
    content = as_bytes(dx())
    put(app, inside, [content[:10]], 0, len(content))
    put(app, inside, [content[:10]], 0, len(content), upload="e" * 32)
    old = time.time() - 25 * 3600
    os.utime(site.settings.spool / f"{ID}.upload.part", (old, old))
    sweep(site.store, site.settings.spool, IntakeLimits())
    assert [path.name for path in in_spool(site)] == [f"{'e' * 32}.upload.part"]
    os.utime(in_spool(site)[0], (old, old))
    remove_abandoned(site.settings.spool)
    assert in_spool(site) == []


def test_an_archive_read_anew_after_a_kill_tells_only_what_the_browser_does_not_know(tmp_path: Path) -> None:
    arrival = Arrival(tmp_path / "none")
    arrival.reports += [FileReport(file=str(number), accepted=False, sentence="no") for number in range(3)]
    assert arrival.since(5) == []
    arrival.reports += [FileReport(file=str(number), accepted=False, sentence="no") for number in range(3, 8)]
    assert [report.file for report in arrival.since(5)] == ["5", "6", "7"]
    assert [report.file for report in arrival.since(6)] == ["6", "7"]
    assert len(arrival.reports) == 2


def test_what_became_of_files_does_not_pile_up(
    app: Starlette, inside: dict[str, str], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("triage.web.arrivals.MAX_KNOWN", 5)
    for number in range(20):
        put(app, inside, [b"none"], 0, 4, upload=f"{number:032x}")
    assert len(site.arrivals.known) <= 6
    assert isinstance(site.arrivals, Arrivals)
