"""A series reaches the page in order, with what each slice scored and which plane of a map is its own."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, generate_uid
from starlette.applications import Starlette

from data_schemas.study import StudyHeader
from tests.bundles import write_slice_reader
from tests.dicom import as_bytes, dx
from tests.ui.studies import arrive
from tests.volumes import changed, ct_series, head, sent
from tests.web.asgi import Answer, ask
from triage.models.bundle import Bundle, load_bundle
from triage.screening import screen
from triage.store.screenings import record_screening
from triage.store.studies import numbered_explanations, study_record, study_to_screen
from triage.web.site import Site


@pytest.fixture
def get(app: Starlette, inside: dict[str, str]):
    return partial(ask, app, headers=inside)


@pytest.fixture(scope="module")
def slice_reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("slice-reader")
    write_slice_reader(folder / "slices")
    return load_bundle(folder / "slices", folder / "cache", "onnx", threads=1)


def scored(site: Site, study: StudyHeader, bundle: Bundle) -> None:
    result, maps = screen(study_to_screen(site.store, study.study_instance_uid), [bundle], site.pool)
    record_screening(site.store, result, maps, revision=study_record(site.store, study.study_instance_uid).revision)


def told(get, study: StudyHeader) -> dict:
    return get(f"/api/studies/{study.study_instance_uid}").json


def slices(get, study: StudyHeader) -> dict:
    [series] = told(get, study)["series"]
    return get(f"/api/studies/{study.study_instance_uid}/series/{series['uid']}").json


def test_slices_come_by_position_and_say_which_way_they_lie(get, site: Site, tmp_path: Path) -> None:
    paths = ct_series(tmp_path, InstanceNumber=1)
    study = sent(site.store, [*paths[::2], *paths[1::2]])
    found = slices(get, study)
    positions = [position for _, _, position, _ in found["slices"]]
    assert positions == [-60 + 5.0 * place for place in range(12)]
    assert found["orientation"] == ["L", "P"]
    assert found["axis"] == "H"
    assert len({file for file, *_ in found["slices"]}) == 12
    assert not found["cut_across"]
    assert found["probabilities"] == []


def test_a_localizer_stays_an_image_and_the_series_says_that_it_was_left_out(get, site: Site, tmp_path: Path) -> None:
    paths = ct_series(tmp_path / "a")
    scout = changed(
        paths[0], tmp_path / "scout.dcm", SOPInstanceUID=generate_uid(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    study = sent(site.store, [*paths, scout])
    answer = told(get, study)
    assert [image["modality"] for image in answer["images"]] == ["CT"]
    [series] = answer["series"]
    assert series["slices"] == 12
    assert series["left_out"] == ["a localizer"]
    assert series["facts"]["thickness_mm"] == 5.0


def test_radiographs_of_one_series_are_images_and_no_stack(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    arrive(site.store, site.settings.spool, StudyInstanceUID=study.study_instance_uid)
    answer = told(get, study)
    assert len(answer["images"]) == 2
    assert answer["series"] == []


def test_fine_even_slices_may_be_cut_across(get, site: Site, tmp_path: Path) -> None:
    assert slices(get, sent(site.store, ct_series(tmp_path, head(24), gap_mm=2.0)))["cut_across"]


def test_leaning_or_uneven_slices_may_not(get, site: Site, tmp_path: Path) -> None:
    assert not slices(get, sent(site.store, ct_series(tmp_path / "a", head(24), gap_mm=2.0, lean_mm=0.6)))["cut_across"]
    missing = ct_series(tmp_path / "b", head(24), gap_mm=2.0)
    del missing[9]
    assert not slices(get, sent(site.store, missing))["cut_across"]


def test_a_scored_series_tells_each_slice_its_scores_and_its_plane(
    get, site: Site, tmp_path: Path, slice_reader: Bundle
) -> None:
    study = sent(site.store, ct_series(tmp_path, head(bleed=True)))
    scored(site, study, slice_reader)
    found = slices(get, study)
    assert [plane for *_, plane in found["slices"]] == list(range(12))
    assert found["findings"] == ["haemorrhage", "fracture"]
    [volume] = study_record(site.store, study.study_instance_uid).screening.volumes  # type: ignore[union-attr]
    assert found["probabilities"] == [list(one.probabilities) for one in volume.slices]
    answer = told(get, study)
    assert answer["series"][0]["scored"]
    series = answer["series"][0]["uid"]
    assert {one["gate"] for one in answer["gates"][series]} >= {"modality", "slice count"}
    assert {one["series_uid"] for one in answer["maps"]} == {series}
    best = np.array(found["probabilities"]).argmax(axis=0)
    assert {one["finding"]: one["driving"] for one in answer["maps"]} == dict(zip(found["findings"], best, strict=True))


def picture(answer: Answer) -> np.ndarray:
    assert answer.status == 200
    return cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)


def test_one_colour_is_one_value_on_every_slice(get, site: Site, tmp_path: Path, slice_reader: Bundle) -> None:
    study = sent(site.store, ct_series(tmp_path, head(bleed=True)))
    scored(site, study, slice_reader)
    number, explanation = numbered_explanations(site.store, study.study_instance_uid)[0]
    strongest = [explanation.plane(place).values.max() / explanation.values.max() for place in range(12)]
    opacities = [picture(get(f"/api/maps/{number}", query=f"slice={place}"))[..., 3].max() for place in range(12)]
    assert np.argmax(strongest) == np.argmax(opacities)
    assert np.corrcoef(strongest, opacities)[0, 1] > 0.99
    driving = picture(get(f"/api/maps/{number}"))
    assert np.array_equal(driving, picture(get(f"/api/maps/{number}", query=f"slice={explanation.header.driving}")))
    assert get(f"/api/maps/{number}", query="slice=12").status == 404


def test_a_page_that_knows_the_newest_version_gets_nothing_twice(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    first = told(get, study)
    again = get(f"/api/studies/{study.study_instance_uid}", query=f"since={first['version']}").json
    assert again == {"version": first["version"]}
    arrive(site.store, site.settings.spool)
    assert get(f"/api/studies/{study.study_instance_uid}", query=f"since={first['version']}").json["uid"]


def test_a_series_that_is_not_there_is_said(get, site: Site) -> None:
    study = arrive(site.store, site.settings.spool)
    answer = get(f"/api/studies/{study.study_instance_uid}/series/1.2.3")
    assert answer.status == 404
    assert "no such series" in answer.json["error"]


def test_a_slice_with_damaged_pixels_gets_a_sentence(get, site: Site, tmp_path: Path) -> None:
    whole = as_bytes(dx(syntax=JPEG2000Lossless))
    path = tmp_path / "half.dcm"
    path.write_bytes(whole)
    study = sent(site.store, [path])
    [instance] = study_record(site.store, study.study_instance_uid).instances
    instance.path.write_bytes(whole[: len(whole) // 2])
    answer = get(f"/api/frames/{instance.header.sop_instance_uid}", query=f"v={instance.sha256[:16]}")
    assert answer.status == 422
    assert answer.json["error"]
