"""What told a result against what is in force now: every difference in words, and nothing that makes none."""

from datetime import UTC, datetime

import pytest

from data_schemas.bundle import BundleManifest
from data_schemas.operating_point import SitePoint
from data_schemas.score import ImageScreening, ScreeningStatus, StudyScreening, VolumeScreening
from data_schemas.urgency import Level, Urgency
from tests.models import tiny
from triage.gates.verdicts import stopped
from triage.models.calibration import finding_scores
from triage.models.in_force import differences, of_manifest
from triage.models.site_points import at_points
from triage.store.basis import basis_sha256

LOGITS = [0.1, 0.2, 0.3]
MANIFEST = tiny.manifest()
LATERAL = stopped("view", "lateral view", "LL")


def part(manifest: BundleManifest, *, scored: bool = True) -> ImageScreening:
    gates = () if scored else (LATERAL,)
    scores = finding_scores(manifest, LOGITS) if scored else ()
    return ImageScreening(sop_instance_uid="1.1", gates=gates, bundle=of_manifest(manifest), scores=scores)


def unread(modality: str) -> ImageScreening:
    gate = stopped("modality", f"no installed model reads {modality}", modality)
    return ImageScreening(sop_instance_uid="1.2", gates=(gate,), bundle=None)


def told(*images: ImageScreening, volumes: tuple[VolumeScreening, ...] = ()) -> StudyScreening:
    return StudyScreening(
        study_instance_uid="1",
        status=ScreeningStatus.RANKED,
        urgency=Urgency(level=Level.ROUTINE, ordered_priority=Level.ROUTINE, reason=""),
        images=images,
        volumes=volumes,
        findings=(),
        bundle=None,
        images_sha256="i" * 64,
        software_version="0",
        seconds={},
    )


def at(point: float, finding: str = "effusion", day: int = 1) -> BundleManifest:
    """The manifest where a site has set a finding's point on that day."""
    decided = SitePoint(
        bundle=MANIFEST.name,
        weights_sha256=MANIFEST.network.weights_sha256,
        finding=finding,
        point=point,
        own=0.4,
        actor="reader",
        comment="why",
        set_at=datetime(2026, 11, day, tzinfo=UTC),
    )
    return at_points(MANIFEST, [decided])


def other(version: str = MANIFEST.version, weights: str = MANIFEST.network.weights_sha256) -> BundleManifest:
    network = MANIFEST.network.model_copy(update={"weights_sha256": weights})
    return MANIFEST.model_copy(update={"version": version, "network": network})


def words(result: StudyScreening, *manifests: BundleManifest) -> list[str]:
    return [one.sentence for one in differences(result, manifests)]


def test_what_was_told_by_what_is_in_force_differs_in_nothing() -> None:
    assert words(told(part(MANIFEST), part(MANIFEST, scored=False), unread("US")), MANIFEST) == []
    assert words(told(), MANIFEST) == [], "a result that was given up says nothing of models"


def test_another_operating_point_is_told_once_with_both_values() -> None:
    result = told(part(MANIFEST), part(MANIFEST))
    (one,) = differences(result, [at(0.25)])
    assert (one.bundle, one.sentence) == (MANIFEST.name, "operating point of Effusion 0.400, now 0.250")
    assert words(told(part(at(0.25))), MANIFEST) == ["operating point of Effusion 0.250, now 0.400"]


def test_the_same_value_decided_anew_is_no_difference_and_yet_another_key() -> None:
    earlier, later, own = (told(part(manifest)) for manifest in (at(0.25), at(0.25, day=2), MANIFEST))
    assert words(earlier, at(0.25, day=2)) == []
    assert words(own, at(0.4)) == []
    assert len({basis_sha256(result) for result in (earlier, later, own)}) == 3


def test_a_point_is_nothing_to_images_that_were_not_scored() -> None:
    assert words(told(part(MANIFEST, scored=False)), at(0.25)) == []


@pytest.mark.parametrize("scored", [True, False])
def test_another_version_or_other_weights_concern_whatever_the_model_judged(scored: bool) -> None:
    result = told(part(MANIFEST, scored=scored))
    name, version = MANIFEST.name, MANIFEST.version
    assert words(result, other(version="9")) == [f"{name} {version}, now 9"]
    assert words(result, other(weights="f" * 64)) == [f"{name} {version} with other weights"]
    assert words(result) == [f"{name} {version} is no longer installed"]


def test_a_model_that_reads_what_none_read_is_a_difference() -> None:
    accepts = MANIFEST.accepts.model_copy(update={"modalities": ("US",)})
    sonography = other().model_copy(update={"name": "us", "accepts": accepts})
    (one,) = differences(told(part(MANIFEST), unread("US")), [MANIFEST, sonography])
    assert (one.bundle, one.sentence) == ("us", f"us {sonography.version} reads US by now")
    assert words(told(unread("MG")), MANIFEST, sonography) == []


def test_series_count_as_images_do() -> None:
    scores = finding_scores(MANIFEST, LOGITS)
    volume = VolumeScreening(series_instance_uid="1.3", gates=(), bundle=of_manifest(MANIFEST), scores=scores)
    assert words(told(volumes=(volume,)), at(0.25)) == ["operating point of Effusion 0.400, now 0.250"]


def test_results_of_one_basis_differ_in_the_same() -> None:
    one, same = told(part(MANIFEST)), told(part(MANIFEST), part(MANIFEST))
    assert basis_sha256(one) == basis_sha256(same)
    others = [
        told(part(MANIFEST, scored=False)), told(part(at(0.25))), told(part(other(version="9"))),
        told(part(other(weights="f" * 64))), told(part(MANIFEST), unread("US")), told(part(MANIFEST), unread("MG")),
        told(),
    ]  # fmt: skip
    assert len({basis_sha256(result) for result in (one, *others)}) == 1 + len(others)
