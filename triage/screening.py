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
from data_schemas.score import BundleIdentity, FindingScore, ImageScreening, ScreeningStatus, StudyScreening
from data_schemas.study import InstanceHeader, StoredInstance, StudyHeader, StudyToScreen
from triage import __version__
from triage.explain.gradcam import activation_maps
from triage.gates.distribution import distribution_gate
from triage.gates.order import first_stop, header_gates
from triage.gates.pixel_statistics import pixel_statistics_gate
from triage.gates.verdicts import stopped
from triage.images.decode_pool import DecodePool
from triage.models.bundle import Bundle
from triage.models.calibration import finding_scores
from triage.models.prepare import Prepared, needed_px, prepare
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
    """One pass over a study: every image is gated, those that pass are scored and explained, the study gets its level.

    Equal files and bundles give an equal result, `seconds` aside. Unreadable pixels stop their own image only. The maps
    are those the scoring pass itself gives, one for each finding and scored image.
    """
    clock = Stopwatch()
    images: dict[str, ImageScreening] = {}
    candidates: list[Candidate] = []
    for instance in request.instances:
        admitted = admit(request.study, instance, bundles, pool, clock)
        if isinstance(admitted, Candidate):
            candidates.append(admitted)
        else:
            images[instance.header.sop_instance_uid] = admitted
    explanations: list[Explanation] = []
    for candidate in candidates:
        image, maps = score(candidate, clock)
        images[image.sop_instance_uid] = image
        explanations += maps
    ordered = tuple(images[instance.header.sop_instance_uid] for instance in request.instances)
    return conclude(request, ordered, clock), tuple(explanations)


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
    gates = (*gates, pixel_statistics_gate(pixels.values))
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
    """The bundle that reads this kind of image: the one whose header gates stop least, the first of equals."""
    readers = [b for b in bundles if first_stop(header_gates(NOBODY, header, b.manifest.accepts)[:1]) is None]
    return readers[0] if readers else None


NOBODY = StudyHeader(study_instance_uid="")


def no_bundle_sentence(header: InstanceHeader) -> str:
    """Why no model speaks about this image, in words."""
    return f"no installed model reads {header.modality or 'images without a modality'}"


def conclude(request: StudyToScreen, images: tuple[ImageScreening, ...], clock: Stopwatch) -> StudyScreening:
    """The study's findings, level and reason from those of its images."""
    findings = most_urgent(highest(images))
    scored = next((image.bundle for image in images if image.scores), None)
    if scored is not None:
        status, urgency = ScreeningStatus.RANKED, decide(request.ordered_priority, findings)
    else:
        status, urgency = ScreeningStatus.NOT_SCORED, not_scored(request.ordered_priority, why_not(images))
    return StudyScreening(
        study_instance_uid=request.study.study_instance_uid,
        status=status,
        urgency=urgency,
        images=images,
        findings=findings,
        bundle=scored or first_bundle(images),
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


def highest(images: Sequence[ImageScreening]) -> tuple[FindingScore, ...]:
    """Per finding the score of the image where it is most probable."""
    best: dict[str, FindingScore] = {}
    for score in (score for image in images for score in image.scores):
        if score.finding not in best or score.probability > best[score.finding].probability:
            best[score.finding] = score
    return tuple(best.values())


def why_not(images: Sequence[ImageScreening]) -> str:
    """The reason a reader sees: the first image's first failing gate, and how many more images failed."""
    if not images:
        return "the study has no images"
    reasons = [gate.sentence for image in images if (gate := first_stop(image.gates)) is not None]
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] if len(distinct) == 1 else f"{distinct[0]}; {len(distinct) - 1} more reasons"


def first_bundle(images: Sequence[ImageScreening]) -> BundleIdentity | None:
    """The bundle that judged the study, where any did."""
    return next((image.bundle for image in images if image.bundle is not None), None)


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
    """Maps of one finding for each scored image, made from the same prepared tensor and weights as the score.

    `method`: gradcam or saliency. Raises NotFound when the study was not scored, the finding is not one of the
    bundle's, or the method is unknown.
    """
    scored = {image.sop_instance_uid: image for image in screening.images if image.scores}
    if not scored:
        raise NotFound(f"there is no map: {screening.urgency.reason}")
    maps = []
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


def one_map(header: InstanceHeader, bundle: Bundle, prepared: Prepared, finding: str, method: str) -> Explanation:
    """The map of one finding on one prepared image."""
    names = [spec.name for spec in bundle.manifest.findings]
    if finding not in names:
        raise NotFound(f"finding {finding!r} is not one of the model's: {', '.join(names)}")
    if method == "gradcam":
        maps = activation_maps(header, bundle, prepared, bundle.score(prepared.tensor[np.newaxis]).maps[0])
        return next(m for m in maps if m.header.finding == finding)
    if method == "saliency":
        # Captum and torch take seconds to import; only this method needs them.
        from triage.explain.saliency import saliency

        return saliency(header, bundle, prepared, finding)
    raise NotFound(f"method {method!r} is unknown; there are gradcam and saliency")


def same_bundle(identity: BundleIdentity, bundles: Sequence[Bundle]) -> Bundle:
    """The loaded bundle with the very weights that made a score. Raises NotFound when it is no longer installed."""
    for bundle in bundles:
        if bundle.identity == identity:
            return bundle
    raise NotFound(f"bundle {identity.name} {identity.version} is no longer installed; screen the study again")
