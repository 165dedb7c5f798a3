"""Whatever is given, each file gets one sentence and the rest goes on."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from data_schemas.urgency import Level
from data_schemas.worklist import FileReport, IntakeOutcome
from tests.dicom import as_bytes, dx, dx_file
from triage.intake.limits import IntakeLimits
from triage.intake.sweep import sweep
from triage.intake.take_in import Sender, take_in, take_in_file
from triage.store import Store, migrate, open_store
from triage.store.studies import study_record
from triage.store.trail import entries
from triage.store.worklist import worklist_page

SENDER = Sender(ordered_priority=None, source="test", actor="tester")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """What is tested here does not depend on the database: tests/store does."""
    opened = open_store(f"sqlite:///{tmp_path / 'home' / 'triage.sqlite3'}", tmp_path / "home" / "files")
    migrate(opened)
    return opened


def spool_of(store: Store) -> Path:
    return store.files.parent / "spool"


def taken(store: Store, *paths: Path, limits: IntakeLimits | None = None, sender: Sender = SENDER) -> list[FileReport]:
    reports = list(take_in(paths, store=store, spool=spool_of(store), limits=limits or IntakeLimits(), sender=sender))
    assert list(spool_of(store).iterdir()) == [], "nothing is left behind"
    assert all(report.sentence and "\n" not in report.sentence for report in reports)
    return reports


def zip_of(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_folder_of_good_and_bad_files(store: Store, tmp_path: Path) -> None:
    first, second = dx(), dx()
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(as_bytes(first))
    (folder / "b.dcm").write_bytes(os.urandom(3000))
    (folder / "c.pdf").write_bytes(b"%PDF-1.4")
    (folder / "deep" / "d.dcm").write_bytes(as_bytes(second))
    (folder / "deep" / "e.dcm").write_bytes(as_bytes(first))
    reports = taken(store, folder)
    assert [Path(report.file).name for report in reports] == ["a", "b.dcm", "c.pdf", "d.dcm", "e.dcm"]
    assert [report.accepted for report in reports] == [True, False, False, True, True]
    assert reports[4].outcome is IntakeOutcome.DUPLICATE
    assert {row.study.study_instance_uid for row in worklist_page(store, offset=0, limit=9)} == {
        first.StudyInstanceUID,
        second.StudyInstanceUID,
    }
    assert len(entries(store, kind="refused")) == 2


def test_a_conflict_is_refused(store: Store, tmp_path: Path) -> None:
    one = dx()
    (tmp_path / "a.dcm").write_bytes(as_bytes(one))
    one.PatientComments = "changed"
    (tmp_path / "b.dcm").write_bytes(as_bytes(one))
    reports = taken(store, tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert [report.accepted for report in reports] == [True, False]
    assert "both hashes are in the trail" in reports[1].sentence


def test_what_cannot_be_opened_is_named(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reports = taken(store, tmp_path / "absent.dcm", tmp_path / "pipe")
    assert [report.sentence for report in reports] == ["does not exist", "is not a file"]


def test_the_senders_priority_is_kept(store: Store, tmp_path: Path) -> None:
    sender = Sender(ordered_priority=Level.STAT, source="test", actor="tester")
    (report,) = taken(store, dx_file(tmp_path / "a.dcm"), sender=sender)
    assert study_record(store, report.study_instance_uid).ordered_priority is Level.STAT


def test_an_archive_gives_one_report_a_member(store: Store, tmp_path: Path) -> None:
    inner = io.BytesIO()
    zipfile.ZipFile(inner, "w").close()
    archive = zip_of(
        tmp_path / "z.zip",
        {
            "a/one.dcm": as_bytes(dx()),
            "notes.txt": b"hello",
            "../../etc/passwd": as_bytes(dx()),
            "/abs.dcm": as_bytes(dx()),
            "C:\\x.dcm": as_bytes(dx()),
            "inner.zip": inner.getvalue(),
            "two.dcm": as_bytes(dx()),
        },
    )
    reports = {report.file: report for report in taken(store, archive)}
    name = f"{archive}: "
    assert reports[name + "a/one.dcm"].accepted
    assert reports[name + "two.dcm"].accepted
    assert "not a DICOM file" in reports[name + "notes.txt"].sentence
    for outside in ("../../etc/passwd", "/abs.dcm", "C:\\x.dcm"):
        assert reports[name + outside].sentence == "its name points outside the archive"
    assert "archive inside an archive" in reports[name + "inner.zip"].sentence


def test_bombs_stop_at_the_limits(store: Store, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "z.zip", {"bomb.dcm": bytes(40_000_000), "good.dcm": as_bytes(dx())})
    bomb, good = taken(store, archive, limits=IntakeLimits(max_archive_ratio=20))
    assert "zip bomb" in bomb.sentence
    assert good.accepted
    (large, same_good) = taken(store, archive, limits=IntakeLimits(max_file_bytes=1_000_000))
    assert "larger than the limit" in large.sentence
    assert same_good.outcome is IntakeOutcome.DUPLICATE
    (only,) = taken(store, archive, limits=IntakeLimits(max_archive_bytes=1_000_000))
    assert "the rest of the archive was not unpacked" in only.sentence


def test_a_size_that_lies_is_counted_as_it_comes(store: Store, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "z.zip", {"bomb.dcm": bytes(4_000_000)})
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(signature) + offset
        content[at : at + 4] = (100).to_bytes(4, "little")
    archive.write_bytes(content)
    (report,) = taken(store, archive, limits=IntakeLimits(max_file_bytes=1_000_000))
    assert not report.accepted


def test_too_many_members(store: Store, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "z.zip", {f"{n}": b"x" for n in range(30)})
    (report,) = taken(store, archive, limits=IntakeLimits(max_files=20))
    assert "30 files; the limit is 20" in report.sentence
    long_names = zip_of(tmp_path / "l.zip", {"n" * 60_000: b"x", "m" * 60_000: b"x"}, zipfile.ZIP_STORED)
    (report,) = taken(store, long_names, limits=IntakeLimits(max_files=20))
    assert "lists more files than the limit" in report.sentence


def test_a_password_is_named(store: Store, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "z.zip", {"a.dcm": as_bytes(dx())})
    content = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    archive.write_bytes(content)
    (report,) = taken(store, archive)
    assert "password-protected" in report.sentence


@pytest.mark.parametrize("keep", [30, 200, 0.5, 0.95])
def test_a_cut_archive(store: Store, tmp_path: Path, keep: float) -> None:
    archive = zip_of(tmp_path / "z.zip", {"a.dcm": as_bytes(dx())})
    content = archive.read_bytes()
    archive.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    (report,) = taken(store, archive)
    assert "damaged zip archive" in report.sentence


def test_a_damaged_member_leaves_the_others(store: Store, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "z.zip", {"a.dcm": as_bytes(dx()), "b.dcm": as_bytes(dx())})
    content = bytearray(archive.read_bytes())
    at = content.index(b"a.dcm") + 400
    content[at : at + 50] = bytes(50)
    archive.write_bytes(content)
    damaged, good = taken(store, archive)
    assert "damaged inside the archive" in damaged.sentence
    assert good.accepted


def test_a_full_disk_is_said_before_it_is_full(store: Store, tmp_path: Path) -> None:
    (report,) = taken(store, dx_file(tmp_path / "a.dcm"), limits=IntakeLimits(min_free_bytes=2**60))
    assert "make room" in report.sentence


def test_more_files_than_allowed(store: Store, tmp_path: Path) -> None:
    for name in "abc":
        dx_file(tmp_path / "in" / f"{name}.dcm")
    reports = taken(store, tmp_path / "in", limits=IntakeLimits(max_files=2))
    assert [report.accepted for report in reports] == [True, True, False]
    assert "the limit is 2 files" in reports[2].sentence


def test_a_large_file_is_not_copied(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # a hole: nothing is written
    (report,) = taken(store, path)
    assert report.sentence == "larger than the limit of 2,047 MiB"


def test_a_whole_file_without_a_row_is_taken_in_again(store: Store, tmp_path: Path) -> None:
    one = dx()
    lost = store.files / "instances" / "ab" / "abcd.dcm.1234"
    lost.parent.mkdir(parents=True)
    lost.write_bytes(as_bytes(one))
    (report,) = sweep(store, spool_of(store), IntakeLimits(), settled_s=-1)
    assert report.accepted
    assert study_record(store, one.StudyInstanceUID).instances[0].path.read_bytes() == as_bytes(one)
    assert not lost.exists()


def test_half_an_upload_is_removed_after_a_day(store: Store) -> None:
    spool_of(store).mkdir()
    for name, age_s in (("old.part", 90_000), ("new.part", 10)):
        path = spool_of(store) / name
        path.write_bytes(b"x")
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    assert sweep(store, spool_of(store), IntakeLimits()) == []
    assert [path.name for path in spool_of(store).iterdir()] == ["new.part"]


def test_an_uploaded_file_is_known_by_the_name_the_person_gave(store: Store) -> None:
    spool_of(store).mkdir()
    spooled = spool_of(store) / "x.part"
    spooled.write_bytes(as_bytes(dx()))
    (report,) = take_in_file(
        spooled, "folder/film.dcm", store=store, spool=spool_of(store), limits=IntakeLimits(), sender=SENDER
    )
    assert (report.file, report.accepted, spooled.exists()) == ("folder/film.dcm", True, False)
