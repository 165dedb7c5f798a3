"""An upload is streamed, limited while it streams, and taken in like any other file."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from starlette.applications import Starlette

from data_schemas.urgency import Level
from tests.dicom import as_bytes, dx
from tests.web.asgi import Answer, ask
from triage.store.studies import study_record
from triage.store.trail import entries
from triage.web.site import Site

MIB = 1024 * 1024


def send(app: Starlette, inside: dict[str, str], name: str, *chunks: bytes, query: str = "") -> Answer:
    headers = inside | {"X-File-Name": name}
    return ask(app, "/api/upload", method="POST", query=query, headers=headers, body=chunks)


def test_a_radiograph_is_taken_in_with_the_chosen_priority(app: Starlette, inside: dict[str, str], site: Site) -> None:
    dataset = dx()
    content = as_bytes(dataset)
    answer = send(app, inside, "d%C3%AF/sub%20folder/c.dcm", content[:100], content[100:], query="priority=STAT")
    assert answer.status == 200
    assert answer.json == [
        {
            "file": "dï/sub folder/c.dcm",
            "accepted": True,
            "sentence": "taken in",
            "study_instance_uid": str(dataset.StudyInstanceUID),
        }
    ]
    record = study_record(site.store, dataset.StudyInstanceUID)
    assert record.ordered_priority is Level.STAT
    assert record.instances[0].path.read_bytes() == content
    assert list(site.settings.spool.iterdir()) == []


def test_a_nifti_volume_is_of_the_modality_that_was_chosen(
    app: Starlette, inside: dict[str, str], site: Site, tmp_path: Path
) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 4), np.int16), np.eye(4)), tmp_path / "head.nii")
    answer = send(app, inside, "head.nii", (tmp_path / "head.nii").read_bytes(), query="nifti=MR")
    [report] = answer.json
    assert report["accepted"] is True
    [instance] = study_record(site.store, report["study_instance_uid"]).instances
    assert instance.header.modality == "MR"


def test_a_zip_gives_one_sentence_for_each_member(app: Starlette, inside: dict[str, str], site: Site) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("good.dcm", as_bytes(dx()))
        archive.writestr("notes.txt", "hello")
    answer = send(app, inside, "both.zip", packed.getvalue())
    assert [(report["file"], report["accepted"]) for report in answer.json] == [
        ("both.zip: good.dcm", True),
        ("both.zip: notes.txt", False),
    ]
    assert all(report["sentence"] for report in answer.json)


def test_a_file_that_is_no_image_gets_a_sentence(app: Starlette, inside: dict[str, str], site: Site) -> None:
    answer = send(app, inside, "report.pdf.dcm", b"%PDF-1.7 " + b"x" * 5000)
    assert answer.status == 200
    assert answer.json[0]["accepted"] is False
    assert answer.json[0]["sentence"]
    assert entries(site.store)[0].kind == "refused"
    assert list(site.settings.spool.iterdir()) == []


def test_reading_stops_at_the_limit_although_no_length_was_stated(
    app: Starlette, inside: dict[str, str], site: Site
) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 64 * 1024
            yield b"x" * (64 * 1024)

    answer = ask(app, "/api/upload", method="POST", headers=inside | {"X-File-Name": "big"}, body=endless())
    assert answer.status == 413
    assert answer.json[0]["sentence"] == "larger than the limit of 1 MiB"
    assert read <= 3 * MIB
    assert list(site.settings.spool.iterdir()) == []
    assert entries(site.store)[0].fields["why"] == "larger than the limit of 1 MiB"


def test_a_stated_length_beyond_the_limit_is_refused_unread(app: Starlette, inside: dict[str, str]) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = inside | {"X-File-Name": "big", "Content-Length": str(2 * MIB)}
    answer = ask(app, "/api/upload", method="POST", headers=headers, body=never())
    assert answer.status == 413
    assert answer.json[0]["file"] == "big"


@pytest.mark.parametrize(
    ("name", "query", "length"),
    [("", "", "1"), ("a", "priority=SOON", "1"), ("a", "nifti=a.b", "1"), ("a", "", "one"), ("a", "", "-5")],
)
def test_a_request_that_our_page_does_not_make_is_refused(
    app: Starlette, inside: dict[str, str], name: str, query: str, length: str
) -> None:
    headers = inside | {"X-File-Name": name, "Content-Length": length}
    answer = ask(app, "/api/upload", method="POST", query=query, headers=headers, body=[b"x"])
    assert answer.status == 400
    assert answer.json["error"]


def test_a_name_is_never_used_as_a_path(app: Starlette, inside: dict[str, str], site: Site) -> None:
    before = {path for path in site.settings.home.parent.rglob("*") if path.is_dir()}
    answer = send(app, inside, "../../../../tmp/evil.dcm", as_bytes(dx()))
    assert answer.json[0]["accepted"] is True
    outside = {path for path in site.settings.home.parent.rglob("*") if "evil" in path.name}
    assert outside == set()
    assert all(
        "instances" in str(path) for path in {p for p in site.settings.home.parent.rglob("*") if p.is_dir()} - before
    )
