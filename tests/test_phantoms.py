"""Phantoms are plainly phantoms, and the same each time."""

from itertools import chain
from pathlib import Path

from pydicom import dcmread

from data_schemas.score import ScreeningStatus
from data_schemas.urgency import Level
from tests.screening.test_screen import study_of
from triage.assembly import Screener
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.phantoms.chest import PHANTOMS
from triage.phantoms.files import HEADS, RETINAS, chests, heads, retinas, write, write_phantoms
from triage.series_screening import leading
from triage.settings import load_settings


def test_every_attribute_a_person_sees_says_phantom(tmp_path: Path) -> None:
    for path in write_phantoms(tmp_path):
        dataset = dcmread(path)
        for keyword in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription", "SeriesDescription"):
            assert "PHANTOM" in str(dataset[keyword].value)


def test_a_second_demo_adds_nothing(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in write_phantoms(tmp_path / "a")]
    second = [path.read_bytes() for path in write_phantoms(tmp_path / "b")]
    assert first == second
    studies = {read_header(path)[0].study_instance_uid for path in (tmp_path / "a").iterdir()}
    assert len(studies) == len(PHANTOMS) + len(HEADS) + len(RETINAS)


def test_the_shipped_model_scores_drawn_chests_and_not_a_blank_exposure(tmp_path: Path) -> None:
    from triage.models.bundle import load_bundle
    from triage.models.prepare import prepare
    from triage.settings import SHIPPED_BUNDLES

    bundle = load_bundle(SHIPPED_BUNDLES / "cxr", tmp_path / "cache", "onnx", threads=1)
    near = {}
    for phantom, path in zip(PHANTOMS, write(tmp_path / "in", chests()), strict=True):
        tensor = prepare(decode(path, read_header(path)[1]), bundle.manifest.prepare).tensor[None]
        near[phantom.name] = bundle.ood_distance(bundle.score(tensor).features[0]) <= bundle.manifest.ood.threshold
    assert not near.pop("BLANK")
    assert all(near.values()), near


def test_the_shipped_models_lift_what_shows_something_and_leave_what_shows_nothing(tmp_path: Path) -> None:
    with Screener(load_settings(home=tmp_path / "home")) as screener:
        found = {}
        film = (one for one in chests() if one[0] == "NORMAL-1")
        for name, paths in by_study(write(tmp_path, chain(film, heads(), retinas()))).items():
            found[name] = screener.process(study_of(*paths))[0]
    assert all(result.status is ScreeningStatus.RANKED for result in found.values())
    assert {name.removeprefix("PHANTOM^"): result.urgency.level for name, result in found.items()} == {
        **dict.fromkeys(("NORMAL-1", "HEAD-1", "MACULA-1"), Level.ROUTINE),
        "FLUID": Level.HIGH,
        "BLEED": Level.STAT,
    }
    [volume] = found["PHANTOM^FLUID"].volumes
    assert 1 <= leading(volume, "referable") <= 5


def by_study(paths: list[Path]) -> dict[str, list[Path]]:
    studies: dict[str, list[Path]] = {}
    for path in paths:
        studies.setdefault(str(dcmread(path, stop_before_pixels=True).PatientName), []).append(path)
    return studies
