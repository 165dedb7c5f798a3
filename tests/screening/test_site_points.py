"""Screening at a site's own operating points: the same model and scores, only where they act from is another."""

from datetime import UTC, datetime
from pathlib import Path

from data_schemas.bundle import BundleManifest
from data_schemas.operating_point import SitePoint
from data_schemas.urgency import Level
from tests.models import tiny
from tests.screening.test_screen import film, study_of, without_seconds
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle
from triage.models.site_points import acting_from, at_points
from triage.screening import screen

AT = datetime(2026, 11, 26, 9, tzinfo=UTC)


def point(manifest: BundleManifest, finding: str, value: float, **other: str) -> SitePoint:
    stated = {"bundle": manifest.name, "weights_sha256": manifest.network.weights_sha256} | other
    return SitePoint(finding=finding, point=value, own=0.4, actor="reader", comment="why", set_at=AT, **stated)


def test_a_point_decides_whether_the_study_is_lifted(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    study = study_of(film(tmp_path))
    own, _ = screen(study, [reader], pool)
    effusion = next(score for score in own.findings if score.finding == "effusion")
    for shift, level in ((-1e-6, Level.HIGH), (1e-6, Level.ROUTINE)):
        here = acting_from(reader, [point(reader.manifest, "effusion", effusion.probability + shift)])
        found, maps = screen(study, [here], pool)
        score = next(one for one in found.findings if one.finding == "effusion")
        assert score.probability == effusion.probability
        assert score.operating_point == effusion.probability + shift
        assert score.positive is (shift < 0)
        assert (score.set_by_site.own, score.set_by_site.set_at) == (0.4, AT)
        assert found.urgency.level is level
        assert found.bundle == own.bundle == reader.identity
        assert len(maps) == 2


def test_the_bundle_itself_is_left_as_it_was(tmp_path: Path, reader: Bundle, pool: DecodePool) -> None:
    study = study_of(film(tmp_path))
    before, _ = screen(study, [reader], pool)
    screen(study, [acting_from(reader, [point(reader.manifest, "effusion", 0.001)])], pool)
    after, _ = screen(study, [reader], pool)
    assert without_seconds(before) == without_seconds(after)
    assert all(score.set_by_site is None for score in after.findings)


def test_an_experimental_finding_lifts_nothing_from_whichever_point(
    tmp_path: Path, reader: Bundle, pool: DecodePool
) -> None:
    points = [point(reader.manifest, "nodule", 1e-6), point(reader.manifest, "effusion", 0.999999)]
    found, _ = screen(study_of(film(tmp_path)), [acting_from(reader, points)], pool)
    nodule = next(score for score in found.findings if score.finding == "nodule")
    assert nodule.positive and nodule.level is None
    assert found.urgency.level is Level.ROUTINE


def test_a_point_of_other_weights_or_of_another_bundle_is_not_in_force(reader: Bundle) -> None:
    others = [
        point(reader.manifest, "effusion", 0.1, weights_sha256="f" * 64),
        point(reader.manifest, "effusion", 0.1, bundle="another"),
        point(reader.manifest, "no longer there", 0.1),
    ]
    assert acting_from(reader, others) is reader
    assert at_points(reader.manifest, ()) is reader.manifest


def test_no_file_of_a_bundle_says_what_a_site_decided() -> None:
    manifest = tiny.manifest()
    moved = at_points(manifest, [point(manifest, "effusion", 0.2)])
    assert moved.findings[0].set_by_site is not None
    assert "set_by_site" not in moved.model_dump_json()
