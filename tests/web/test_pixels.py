"""Stored pixels reach the page as they are, with all that turns them into grey."""

import json
import struct
from functools import partial

import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless
from starlette.applications import Starlette

from tests.dicom import values_like_a_film
from tests.js import grey
from tests.ui.studies import arrive
from tests.web.asgi import ask
from triage.store.studies import study_record
from triage.web.site import Site


@pytest.fixture
def get(app: Starlette, inside: dict[str, str]):
    return partial(ask, app, headers=inside)


def frame_of(get, site: Site, **attributes: object):
    study = arrive(site.store, site.settings.spool, **attributes)
    [instance] = study_record(site.store, study.study_instance_uid).instances
    answer = get(f"/api/frames/{instance.header.sop_instance_uid}", query=f"v={instance.sha256[:16]}")
    assert answer.status == 200
    (length,) = struct.unpack_from("<I", answer.body)
    assert (length + 4) % 8 == 0
    facts = json.loads(answer.body[4 : 4 + length])
    return facts, answer.body[4 + length :], answer


@pytest.mark.parametrize("syntax", [None, JPEGLSLossless])
def test_values_come_as_they_are_stored(get, site: Site, syntax) -> None:
    values = values_like_a_film(60, 50)
    facts, data, answer = frame_of(get, site, values=values, **({"syntax": syntax} if syntax else {}))
    assert np.array_equal(np.frombuffer(data, f"<{facts['kind']}").reshape(60, 50), values)
    assert (facts["rows"], facts["columns"], facts["colour"]) == (60, 50, False)
    assert facts["stored"] == [int(values.min()), int(values.max())]
    assert "immutable" in answer.headers["cache-control"]


def test_what_the_header_says_of_them_comes_along(get, site: Site) -> None:
    facts, _, _ = frame_of(
        get,
        site,
        RescaleSlope=2,
        RescaleIntercept=-1024,
        WindowCenter=[40, 600],
        WindowWidth=[80, 2000],
        WindowCenterWidthExplanation=["BRAIN", "BONE"],
        VOILUTFunction="LINEAR_EXACT",
        PhotometricInterpretation="MONOCHROME1",
    )
    assert (facts["slope"], facts["intercept"], facts["inverted"], facts["function"]) == (
        2,
        -1024,
        True,
        "LINEAR_EXACT",
    )
    assert facts["windows"][1] == {"center": 600, "width": 2000, "words": "BONE"}
    low, high = facts["stored"]
    assert facts["range"] == [2 * low - 1024, 2 * high - 1024]


def test_another_content_than_the_page_knows_is_not_given(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    [instance] = study_record(site.store, study.study_instance_uid).instances
    path = f"/api/frames/{instance.header.sop_instance_uid}"
    assert get(path, query="v=0000").status == 404
    assert get(path, query=f"v={instance.sha256[:16]}&frame=1").status == 400
    assert get("/api/frames/1.2.3", query="v=0").status == 404


def test_the_spacing_says_where_it_holds(get, site: Site) -> None:
    assert frame_of(get, site)[0]["spacing"] is None
    at_detector = frame_of(get, site, ImagerPixelSpacing=[0.2, 0.1])[0]["spacing"]
    assert at_detector == {"mm": [0.2, 0.1], "at": "detector"}
    corrected = frame_of(get, site, ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[0.17, 0.17])[0]["spacing"]
    assert corrected == {"mm": [0.17, 0.17], "at": "patient"}
    assert frame_of(get, site, PixelSpacing=[0.2, 0.2])[0]["spacing"]["at"] == "stated"


def test_a_browser_that_kept_the_image_is_not_sent_it_again(app: Starlette, inside, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    [instance] = study_record(site.store, study.study_instance_uid).instances
    path, query = f"/api/frames/{instance.header.sop_instance_uid}", f"v={instance.sha256[:16]}"
    tag = ask(app, path, query=query, headers=inside).headers["etag"]
    assert ask(app, path, query=query, headers=inside | {"If-None-Match": tag}).status == 304


def test_the_pages_table_is_tested_against_what_the_program_gives_today() -> None:
    assert grey.FILE.read_text(encoding="utf-8") == grey.text()
