"""The path of a study, top to bottom: gate ▸ prepare ▸ score ▸ explain ▸ urgency.

Arrays and values in, values out; no database, no page. The page, the command line, the evaluation pipeline and the
benchmark all run `screen`, so a figure in a model card was made by the code that runs in the clinic.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from data_schemas.errors import NotFound, UnreadablePixels
from data_schemas.explanation import Explanation
from data_schemas.gate import GateResult
from data_schemas.score import (
    BundleIdentity,
    FindingScore,
    ImageScreening,
    Judged,
    ScreeningStatus,
    StudyScreening,
    VolumeScreening,
)
from data_schemas.study import FROM_NIFTI, InstanceHeader, StoredInstance, StudyHeader, StudyToScreen
from triage import __version__
from triage.explain.gradcam import activation_maps
from triage.gates.distribution import distribution_gate
from triage.gates.modality import modality_gate, of_unknown_device
from triage.gates.order import first_stop, header_gates
from triage.gates.pixel_statistics import grey_gate, pixel_statistics_gate
from triage.gates.verdicts import stopped
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle
from triage.models.calibration import finding_scores
from triage.models.prepare import Prepared, needed_px, prepare
from triage.series_screening import all_series, gradcams, score_slices, screen_series, series_saliency
from triage.urgency.levels import decide, most_urgent, not_scored


@dataclass
class Stopwatch:
    """Wall seconds by stage of one study."""

    seconds: dict[str, float] = field(default_factory=dict)
    _mark: float = field(default_factory=perf_counter)

    def lap(self, stage: str) -> None:
        """Adds the time since the last lap to `stage`."""
        now = perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._mark
        self._mark = now

    def total(self) -> dict[str, float]:
        """All stages and their sum, rounded to tenths of a millisecond."""
        rounded = {stage: round(value, 4) for stage, value in self.seconds.items()}
        return rounded | {"total": round(sum(self.seconds.values()), 4)}


@dataclass(frozen=True)
class Candidate:
    """An image that passed every gate so far, ready for the network."""

    instance: StoredInstance
    bundle: Bundle
    gates: tuple[GateResult, ...]
    prepared: Prepared


def screen(
    request: StudyToScreen, bundles: Sequence[Bundle], pool: DecodePool
) -> tuple[StudyScreening, tuple[Explanation, ...]]:
    """One pass over a study: every image and series is gated, those that pass are scored and explained, the study gets
    its level.

    Equal files and bundles give an equal result, `seconds` aside. Unreadable pixels stop their own image only. The maps
    are those the scoring pass itself gives, one for each finding and scored image or series.
    """
    clock = Stopwatch()
    volumes, explanations = screen_volumes(request, bundles, pool)
    if volumes:
        clock.lap("volumes")
    images: dict[str, ImageScreening] = {}
    candidates: list[Candidate] = []
    single = images_alone(request, bundles)
    for instance in single:
        admitted = admit(request.study, instance, bundles, pool, clock)
        if isinstance(admitted, Candidate):
            candidates.append(admitted)
        else:
            images[instance.header.sop_instance_uid] = admitted
    for candidate in candidates:
        image, maps = score(candidate, clock)
        images[image.sop_instance_uid] = image
        explanations += maps
    ordered = tuple(images[instance.header.sop_instance_uid] for instance in single)
    return conclude(request, ordered, volumes, clock), tuple(explanations)


def screen_volumes(
    request: StudyToScreen, bundles: Sequence[Bundle], pool: DecodePool
) -> tuple[tuple[VolumeScreening, ...], list[Explanation]]:
    """Each bundle that reads series is given those of the kind it reads."""
    volumes: list[VolumeScreening] = []
    explanations: list[Explanation] = []
    for bundle in bundles:
        mine = [one for one in request.instances if reader_of_series(one.header, bundles) is bundle]
        if mine:
            found, maps = screen_series(request.study, mine, bundle, pool)
            volumes += found
            explanations += maps
    return tuple(volumes), explanations


def reader_of_series(header: InstanceHeader, bundles: Sequence[Bundle]) -> Bundle | None:
    """The bundle that reads series of this modality, the first of several."""
    readers = (bundle for bundle in bundles if bundle.manifest.accepts.volume is not None)
    return next((one for one in readers if not first_stop([modality_gate(header, one.manifest.accepts)])), None)


def images_alone(request: StudyToScreen, bundles: Sequence[Bundle]) -> list[StoredInstance]:
    """Images that no bundle reads as slices of a series."""
    return [one for one in request.instances if reader_of_series(one.header, bundles) is None]


def admit(
    study: StudyHeader, instance: StoredInstance, bundles: Sequence[Bundle], pool: DecodePool, clock: Stopwatch
) -> Candidate | ImageScreening:
    """Gates that need no network; an image they stop comes back with its reasons, any other ready for the network."""
    header = instance.header
    bundle = choose(header, bundles)
    if bundle is None:
        reason = stopped("modality", no_bundle_sentence(header), header.modality)
        return ImageScreening(sop_instance_uid=header.sop_instance_uid, gates=(reason,), bundle=None)
    manifest = bundle.manifest
    gates = header_gates(study, header, manifest.accepts)
    clock.lap("gate")
    if first_stop(gates):
        return ImageScreening(sop_instance_uid=header.sop_instance_uid, gates=gates, bundle=bundle.identity)
    try:
        pixels = pool.read(instance.path, header, at_least_px=needed_px(manifest.prepare))
    except UnreadablePixels as error:
        gates = (*gates, stopped("readable", error.sentence))
        return ImageScreening(sop_instance_uid=header.sop_instance_uid, gates=gates, bundle=bundle.identity)
    finally:
        clock.lap("read")
    gates = (*gates, grey_gate(pixels.values), pixel_statistics_gate(pixels.values))
    if first_stop(gates):
        return ImageScreening(sop_instance_uid=header.sop_instance_uid, gates=gates, bundle=bundle.identity)
    prepared = prepare(pixels, manifest.prepare)
    clock.lap("prepare")
    return Candidate(instance, bundle, gates, prepared)


def score(candidate: Candidate, clock: Stopwatch) -> tuple[ImageScreening, tuple[Explanation, ...]]:
    """Scores and maps of one admitted image, unless its features lie too far from the training data."""
    bundle, header = candidate.bundle, candidate.instance.header
    raw = bundle.score(candidate.prepared.tensor[np.newaxis])
    gates = (*candidate.gates, distribution_gate(bundle.ood_distance(raw.features[0]), bundle.manifest.ood))
    clock.lap("score")
    if first_stop(gates):
        return ImageScreening(sop_instance_uid=header.sop_instance_uid, gates=gates, bundle=bundle.identity), ()
    scores = finding_scores(bundle.manifest, raw.logits[0])
    maps = activation_maps(header, bundle, candidate.prepared, raw.maps[0])
    clock.lap("explain")
    image = ImageScreening(
        sop_instance_uid=header.sop_instance_uid, gates=gates, bundle=bundle.identity, scores=most_urgent(scores)
    )
    return image, maps


def choose(header: InstanceHeader, bundles: Sequence[Bundle]) -> Bundle | None:
    """The bundle that reads single images of this modality, the first of several."""
    readers = (b for b in bundles if b.manifest.accepts.volume is None)
    return next((b for b in readers if not first_stop([modality_gate(header, b.manifest.accepts)])), None)


def no_bundle_sentence(header: InstanceHeader) -> str:
    """Why no model speaks about this image, in words."""
    if header.series_description == FROM_NIFTI and of_unknown_device(header):
        return "a NIfTI volume does not say what made it; send it again with its modality, such as CT"
    if of_unknown_device(header) and not header.body_part:
        return "a capture that states neither modality nor body part; send the original, or state them"
    return f"no installed model reads {header.modality or 'images without a modality'}"


def conclude(
    request: StudyToScreen,
    images: tuple[ImageScreening, ...],
    volumes: tuple[VolumeScreening, ...],
    clock: Stopwatch,
) -> StudyScreening:
    """The study's findings, level and reason from those of its images and series."""
    judged: tuple[Judged, ...] = (*volumes, *images)
    findings = most_urgent(highest(judged))
    scored = next((one.bundle for one in judged if one.scores), None)
    if scored is not None:
        status, urgency = ScreeningStatus.RANKED, decide(request.ordered_priority, findings)
    else:
        status, urgency = ScreeningStatus.NOT_SCORED, not_scored(request.ordered_priority, why_not(judged))
    return StudyScreening(
        study_instance_uid=request.study.study_instance_uid,
        status=status,
        urgency=urgency,
        images=images,
        volumes=volumes,
        findings=findings,
        bundle=scored or first_bundle(judged),
        images_sha256=images_sha256(request),
        software_version=__version__,
        seconds=clock.total(),
    )


def gave_up(request: StudyToScreen, why: str) -> StudyScreening:
    """The result of a study whose screening itself could not be finished."""
    return StudyScreening(
        study_instance_uid=request.study.study_instance_uid,
        status=ScreeningStatus.NOT_SCORED,
        urgency=not_scored(request.ordered_priority, why),
        images=(),
        findings=(),
        bundle=None,
        images_sha256=images_sha256(request),
        software_version=__version__,
        seconds={"total": 0.0},
    )


def highest(judged: Sequence[Judged]) -> tuple[FindingScore, ...]:
    """Per finding the score of the image or series where it is most probable."""
    best: dict[str, FindingScore] = {}
    for score in (score for one in judged for score in one.scores):
        if score.finding not in best or score.probability > best[score.finding].probability:
            best[score.finding] = score
    return tuple(best.values())


def why_not(judged: Sequence[Judged]) -> str:
    """The reason a reader sees: the first failing gate of the first image or series, and how many more reasons."""
    if not judged:
        return "the study has no images"
    reasons = [gate.sentence for one in judged if (gate := first_stop(one.gates)) is not None]
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]}; {len(distinct) - 1} more reasons"


def first_bundle(judged: Sequence[Judged]) -> BundleIdentity | None:
    """The bundle that judged the study, where any did."""
    return next((one.bundle for one in judged if one.bundle is not None), None)


def images_sha256(request: StudyToScreen) -> str:
    """One hash over the study's files, whatever their order."""
    return hashlib.sha256("".join(sorted(i.sha256 for i in request.instances)).encode()).hexdigest()


def explain(
    request: StudyToScreen,
    screening: StudyScreening,
    bundles: Sequence[Bundle],
    pool: DecodePool,
    *,
    finding: str,
    method: str,
) -> tuple[Explanation, ...]:
    """Maps of one finding for each scored image and series, made from the same prepared tensors and weights as the
    score.

    `method`: gradcam or saliency. Raises NotFound when the study was not scored, the finding is not one of the
    bundle's, or the method is unknown.
    """
    scored = {image.sop_instance_uid: image for image in screening.images if image.scores}
    volumes = [volume for volume in screening.volumes if volume.scores]
    if not scored and not volumes:
        raise NotFound(f"there is no map: {screening.urgency.reason}")
    maps = [series_map(request, volume, bundles, pool, finding, method) for volume in volumes]
    for instance in request.instances:
        image = scored.get(instance.header.sop_instance_uid)
        if image is None or image.bundle is None:
            continue
        bundle = same_bundle(image.bundle, bundles)
        admitted = admit(request.study, instance, [bundle], pool, Stopwatch())
        if not isinstance(admitted, Candidate):
            raise NotFound("the image no longer passes its gates; screen the study again")
        maps.append(one_map(instance.header, bundle, admitted.prepared, finding, method))
    return tuple(maps)


def series_map(
    request: StudyToScreen,
    volume: VolumeScreening,
    bundles: Sequence[Bundle],
    pool: DecodePool,
    finding: str,
    method: str,
) -> Explanation:
    """The map of one finding on every slice of a scored series."""
    assert volume.bundle is not None  # it was scored
    bundle = same_bundle(volume.bundle, bundles)
    require_finding(bundle, finding)
    mine = [one for one in request.instances if one.header.series_instance_uid == volume.series_instance_uid]
    [series] = all_series(request.study, mine, bundle)
    if method == "gradcam":
        return next(one for one in gradcams(series, score_slices(series, pool)) if one.header.finding == finding)
    if method == "saliency":
        return series_saliency(series, pool, finding)
    raise unknown_method(method)


def require_finding(bundle: Bundle, finding: str) -> None:
    """Raises NotFound where the bundle has no such finding."""
    names = [spec.name for spec in bundle.manifest.findings]
    if finding not in names:
        raise NotFound(f"finding {finding!r} is not one of the model's: {', '.join(names)}")


def unknown_method(method: str) -> NotFound:
    """To be raised for any method but the two there are."""
    return NotFound(f"method {method!r} is unknown; there are gradcam and saliency")


def one_map(header: InstanceHeader, bundle: Bundle, prepared: Prepared, finding: str, method: str) -> Explanation:
    """The map of one finding on one prepared image."""
    require_finding(bundle, finding)
    if method == "gradcam":
        maps = activation_maps(header, bundle, prepared, bundle.score(prepared.tensor[np.newaxis]).maps[0])
        return next(m for m in maps if m.header.finding == finding)
    if method == "saliency":
        # Captum and torch take seconds to import; only this method needs them.
        from triage.explain.saliency import saliency

        return saliency(header, bundle, prepared, finding)
    raise unknown_method(method)


def same_bundle(identity: BundleIdentity, bundles: Sequence[Bundle]) -> Bundle:
    """The loaded bundle with the very weights that made a score. Raises NotFound when it is no longer installed."""
    for bundle in bundles:
        if bundle.identity == identity:
            return bundle
    raise NotFound(f"bundle {identity.name} {identity.version} is no longer installed; screen the study again")
