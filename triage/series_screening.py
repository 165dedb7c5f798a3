"""The path of a series of slices: stack ▸ gate ▸ choose ▸ prepare and score slice by slice ▸ pool ▸ explain.

Slices are read, prepared and scored in batches, so that memory does not grow with their number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import Values, VolumeSpec
from data_schemas.errors import UnreadablePixels
from data_schemas.explanation import Affine, Explanation, ExplanationHeader
from data_schemas.gate import GateOutcome, GateResult
from data_schemas.score import VolumeScreening, VolumeSlice
from data_schemas.study import StoredInstance, StudyHeader
from data_schemas.volume import StackFault, VolumeFacts
from triage.explain.gradcam import METHOD, from_activation_maps
from triage.gates.distribution import distribution_gate
from triage.gates.order import first_stop
from triage.gates.pixel_statistics import grey_gate, pixel_statistics_gate
from triage.gates.verdicts import marked, stopped
from triage.gates.volume import hounsfield_gate, noise_gate, noise_of, series_gates
from triage.images.decode_pool import DecodePool
from triage.images.display import modality_values
from triage.images.geometry import compose, unturned
from triage.images.padding import padding_as_air
from triage.images.pixels import StoredPixels
from triage.images.series import Slice, Stack, as_read, facts, stack_series
from triage.models.bundle import Bundle
from triage.models.calibration import finding_scores, probability
from triage.models.cells import cells_to_input
from triage.models.prepare import Prepared, needed_px, prepare
from triage.urgency.levels import most_urgent

BATCH = 16
LOOKED_AT = 5
"""Slices whose pixels are looked at before any is scored."""


@dataclass(frozen=True)
class Series:
    """One series as a stack, with the gates that need no pixels."""

    uid: str
    bundle: Bundle
    stack: Stack
    facts: VolumeFacts
    gates: tuple[GateResult, ...]
    instances: dict[str, StoredInstance]
    """By SOP Instance UID."""
    noise: float | None = None
    """Of soft tissue on its middle slice, where several series are compared."""

    @property
    def spec(self) -> VolumeSpec:
        """What the bundle wants of it."""
        return self.bundle.manifest.accepts.volume or VolumeSpec()

    def screening(self, gates: tuple[GateResult, ...] | None = None, not_taken: str = "") -> VolumeScreening:
        """As it stands without a score."""
        return VolumeScreening(
            series_instance_uid=self.uid,
            gates=self.gates if gates is None else gates,
            bundle=self.bundle.identity,
            facts=self.facts,
            not_taken=not_taken,
        )


@dataclass(frozen=True)
class Scored:
    """What the network said of each slice that could be read."""

    slices: tuple[Slice, ...]
    places: tuple[int, ...]
    """Of each of them in the stack."""
    logits: NDArray[np.float32]
    """(slices, findings)"""
    features: NDArray[np.float32]
    """(slices, k)"""
    maps: NDArray[np.float32]
    """(slices, findings, h, w)"""
    to_image: tuple[Affine, ...]
    """From the network's grid to each slice's own."""
    unreadable: tuple[str, ...]
    """What was wrong with the others."""


def screen_series(
    study: StudyHeader, instances: Sequence[StoredInstance], bundle: Bundle, pool: DecodePool
) -> tuple[tuple[VolumeScreening, ...], tuple[Explanation, ...]]:
    """Every series of `instances`, which the bundle reads; the one that suits it best is scored.

    Where that one's pixels cannot be judged, the next one is tried. The others say why they were not taken.
    """
    found = all_series(study, instances, bundle)
    results = {uid: without_slices(uid, bundle) for uid in by_series(instances)}
    results |= {one.uid: one.screening() for one in found}
    fit = in_order([one for one in found if not first_stop(one.gates)], pool)
    maps: tuple[Explanation, ...] = ()
    for place, one in enumerate(fit):
        results[one.uid], maps = score_series(one, pool)
        if results[one.uid].scores:
            results |= {other.uid: other.screening(not_taken=why_other(one, other)) for other in fit[place + 1 :]}
            break
    return tuple(results.values()), maps


def by_series(instances: Sequence[StoredInstance]) -> dict[str, dict[str, StoredInstance]]:
    """Instances by SOP Instance UID, by Series Instance UID; both in order."""
    groups: dict[str, dict[str, StoredInstance]] = {}
    for one in sorted(instances, key=lambda one: (one.header.series_instance_uid, one.header.sop_instance_uid)):
        groups.setdefault(one.header.series_instance_uid, {})[one.header.sop_instance_uid] = one
    return groups


def without_slices(uid: str, bundle: Bundle) -> VolumeScreening:
    """A series of localizers or of images derived from others."""
    gate = stopped("slice count", "the series holds no slice, only localizers or images derived from others", 0)
    return VolumeScreening(series_instance_uid=uid, gates=(gate,), bundle=bundle.identity)


def all_series(study: StudyHeader, instances: Sequence[StoredInstance], bundle: Bundle) -> list[Series]:
    """Each series that has slices, in order of UID."""
    found = []
    for uid, members in by_series(instances).items():
        stack = stack_series([member.header for member in members.values()])
        if stack.slices:
            known = facts(stack)
            manifest = bundle.manifest
            gates = series_gates(study, stack, known, manifest.accepts, manifest.prepare.values)
            found.append(Series(uid, bundle, stack, known, gates, members))
    return found


def in_order(fit: list[Series], pool: DecodePool) -> list[Series]:
    """The series that suits the model best first; where there are several, the pixels of each are looked at."""
    if len(fit) > 1:
        fit = [replace(one, noise=noise_seen(one, pool)) for one in fit]
    return sorted(fit, key=preference)


def noise_seen(series: Series, pool: DecodePool) -> float | None:
    """Noise of soft tissue on the middle slice, which tells sharp kernels from soft ones; None where it cannot."""
    if series.bundle.manifest.prepare.values is not Values.MODALITY:
        return None
    middle = series.stack.slices[len(series.stack.slices) // 2]
    try:
        return noise_of(modality_values(read(series, middle, pool))[np.newaxis])
    except UnreadablePixels:
        return None  # told of when all slices are read


Preference = tuple[bool, bool, float, int, int, str]


def preference(series: Series) -> Preference:
    """Lowest first: the body part is stated, the kernel soft, the thickness nearest to the wanted one; then the least
    noise and the most slices."""
    spec, noise = series.spec, series.noise or 0.0
    unstated = any(gate.gate == "body part" and gate.outcome is GateOutcome.MARKED for gate in series.gates)
    sharp = spec.wanted_noise is not None and noise > spec.wanted_noise
    away = abs(series.facts.thickness_mm - spec.wanted_thickness_mm)
    return unstated, sharp, away, round(noise), -series.facts.slices, series.uid


def why_other(taken: Series, other: Series) -> str:
    """Why one series was taken rather than the other, in words: the first difference that counts."""
    name = taken.stack.slices[0].header.series_number
    series = f"series {name}" if name is not None else "another series"
    mine, theirs = preference(taken), preference(other)
    noise = f"noise of {taken.noise or 0:.0f} in soft tissue against {other.noise or 0:.0f} in this one"
    thickness = (
        f"its slices of {taken.facts.thickness_mm:g} mm are nearer to the {taken.spec.wanted_thickness_mm:g} mm that "
        f"the model wants than these of {other.facts.thickness_mm:g} mm"
    )
    whys = (
        "its body part is stated, that of this one is not",
        f"its kernel is not as sharp, with a {noise}",
        thickness,
        f"it has less noise, with a {noise}",
        f"it has {taken.facts.slices} slices, this one {other.facts.slices}",
        "this one is its equal",
    )
    place = next(number for number, (one, two) in enumerate(zip(mine, theirs, strict=True)) if one != two)
    return f"{series} was taken: {whys[place]}"


def score_series(series: Series, pool: DecodePool) -> tuple[VolumeScreening, tuple[Explanation, ...]]:
    """Scores and maps, unless the pixels stop it."""
    gates = (*series.gates, *pixel_gates(series, pool))
    if first_stop(gates):
        return series.screening(gates), ()
    scored = score_slices(series, pool)
    gates = (*gates, *readable_gates(series, scored))
    if first_stop(gates):
        return series.screening(gates), ()
    bundle = series.bundle
    distance = float(np.median([bundle.ood_distance(features) for features in scored.features]))
    gates = (*gates, distribution_gate(distance, bundle.manifest.ood))
    if first_stop(gates):
        return series.screening(gates), ()
    scores = finding_scores(bundle.manifest, pooled(scored.logits, series.spec.pooled))
    result = series.screening(gates).model_copy(
        update={
            "scores": most_urgent(scores),
            "findings": tuple(score.finding for score in scores),
            "slices": slice_scores(series, scored),
        }
    )
    return result, gradcams(series, scored)


def pixel_gates(series: Series, pool: DecodePool) -> tuple[GateResult, ...]:
    """What a look at some slices says of modality values, or of pictures for a bundle that is given those."""
    count = len(series.stack.slices)
    places = sorted({round(share * (count - 1)) for share in np.linspace(0.1, 0.9, LOOKED_AT)})
    seen = []
    for place in places:
        try:
            seen.append(read(series, series.stack.slices[place], pool))
        except UnreadablePixels:
            continue  # told of when all slices are read
    if not seen:
        return ()
    if series.bundle.manifest.prepare.values is Values.MODALITY:
        return value_gates(series, seen)
    return picture_gates(seen)


def value_gates(series: Series, seen: Sequence[StoredPixels]) -> tuple[GateResult, ...]:
    """Whether the values of some slices are Hounsfield units, and how much noise they have."""
    values = [modality_values(pixels) for pixels in seen]
    gates = [hounsfield_gate(np.stack([one[::2, ::2] for one in values]))]
    if series.spec.max_noise is not None:
        gates.append(noise_gate(values[len(values) // 2][np.newaxis], series.spec.max_noise))
    return tuple(gates)


def picture_gates(seen: Sequence[StoredPixels]) -> tuple[GateResult, ...]:
    """Those of the first that is a grey picture, for scans at the edge may be empty; else those of the first one."""
    gates = [(grey_gate(one.values), pixel_statistics_gate(one.values)) for one in seen]
    return next((pair for pair in gates if not first_stop(pair)), gates[0])


def read(series: Series, one: Slice, pool: DecodePool) -> StoredPixels:
    """A slice's stored values. Raises UnreadablePixels."""
    path, prepare_spec = series.instances[one.header.sop_instance_uid].path, series.bundle.manifest.prepare
    pixels = pool.read(path, one.header, at_least_px=needed_px(prepare_spec), frame=one.frame)
    return padding_as_air(pixels) if prepare_spec.values is Values.MODALITY else pixels


def prepared_slices(
    series: Series, pool: DecodePool, batch: NDArray[np.float32] | None = None
) -> Iterator[tuple[int, Slice, Prepared | UnreadablePixels]]:
    """Each slice as the network takes it, or what is wrong with its pixels.

    Tensors lie in `batch` where given, float32 (n, channels, height, width): each stays as it is for n further ones.
    """
    spec, count = series.bundle.manifest.prepare, 0
    for place, one in enumerate(series.stack.slices):
        try:
            pixels = read(series, one, pool)
        except UnreadablePixels as error:
            yield place, one, error
            continue
        rows, columns = pixels.values.shape[:2]
        # A bundle that takes any orientation reads slices as their device shows them.
        turned = as_read(one.plane, rows, columns) if series.spec.orientations else unturned(rows, columns)
        yield place, one, prepare(pixels, spec, turned, None if batch is None else batch[count % len(batch)])
        count += 1


def empty_batch(series: Series, size: int = BATCH) -> NDArray[np.float32]:
    """(size, channels, height, width), to be filled."""
    spec = series.bundle.manifest.prepare
    return np.empty((size, spec.channels, spec.height, spec.width), np.float32)


def score_slices(series: Series, pool: DecodePool) -> Scored:
    """Every slice that can be read, in batches."""
    outcomes, slices, places, unreadable, to_image = [], [], [], [], []
    batch, count = empty_batch(series), len(series.stack.slices)
    for place, one, result in prepared_slices(series, pool, batch):
        if isinstance(result, UnreadablePixels):
            unreadable.append(f"slice {place + 1} of {count}: {result.sentence}")
            continue
        slices.append(one)
        places.append(place)
        to_image.append(result.to_image)
        if len(slices) % BATCH == 0:
            outcomes.append(series.bundle.score(batch))
    if waiting := len(slices) % BATCH:
        outcomes.append(series.bundle.score(batch[:waiting]))
    empty = np.zeros((0, 0), np.float32)
    return Scored(
        tuple(slices),
        tuple(places),
        np.concatenate([one.logits for one in outcomes]) if outcomes else empty,
        np.concatenate([one.features for one in outcomes]) if outcomes else empty,
        np.concatenate([one.maps for one in outcomes]) if outcomes else empty,
        tuple(to_image),
        tuple(unreadable),
    )


def readable_gates(series: Series, scored: Scored) -> tuple[GateResult, ...]:
    """A slice that cannot be read is a missing one."""
    if not scored.unreadable:
        return ()
    first, count = scored.unreadable[0], len(scored.unreadable)
    words = first if count == 1 else f"{count} slices cannot be read; {first}"
    tolerated = StackFault.MISSING in series.spec.tolerates and len(scored.slices) >= series.spec.min_slices
    return ((marked if tolerated else stopped)("readable", words, count),)


def pooled(logits: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """(findings,): the mean of the `count` highest logits of (slices, findings)."""
    highest = np.sort(logits, axis=0)[-count:]
    mean: NDArray[np.float32] = highest.mean(axis=0)
    return mean


def slice_scores(series: Series, scored: Scored) -> tuple[VolumeSlice, ...]:
    """Each slice alone, on the same scale as the series."""
    findings = series.bundle.manifest.findings
    return tuple(
        VolumeSlice(
            sop_instance_uid=one.header.sop_instance_uid,
            frame=one.frame,
            position_mm=round(series.stack.positions_mm[place], 3),
            probabilities=tuple(
                round(probability(finding.calibration, float(logit)), 5)
                for finding, logit in zip(findings, row, strict=True)
            ),
        )
        for one, place, row in zip(scored.slices, scored.places, scored.logits, strict=True)
    )


def leading(series_scores: VolumeScreening, finding: str) -> int:
    """The slice on which the finding is most probable, by its place in `slices`."""
    column = series_scores.findings.index(finding)
    return max(range(len(series_scores.slices)), key=lambda i: series_scores.slices[i].probabilities[column])


def gradcams(series: Series, scored: Scored) -> tuple[Explanation, ...]:
    """Grad-CAM of each finding: one plane for each scored slice."""
    manifest, explanations = series.bundle.manifest, []
    values = from_activation_maps(scored.maps)
    for number, finding in enumerate(manifest.findings):
        driving = int(scored.logits[:, number].argmax())
        placed = compose(scored.to_image[driving], cells_to_input(manifest.network.name))
        header = series_map_header(series, scored.slices, driving, finding.name, METHOD, placed)
        parameters = {"layer": manifest.network.map_layer, "relu": True}
        own = np.ascontiguousarray(values[:, number])
        explanations.append(Explanation(header.model_copy(update={"parameters": parameters}), own))
    return tuple(explanations)


def series_map_header(
    series: Series, slices: Sequence[Slice], driving: int, finding: str, method: str, to_image: Affine
) -> ExplanationHeader:
    """Which map it is; `driving` is the place of the slice on which the finding is most probable."""
    header = slices[driving].header
    return ExplanationHeader(
        sop_instance_uid=header.sop_instance_uid,
        driving=driving,
        series_instance_uid=series.uid,
        finding=finding,
        method=method,
        parameters={},
        bundle=series.bundle.identity,
        rows=header.rows,
        columns=header.columns,
        to_image=to_image,
    )


def series_saliency(series: Series, pool: DecodePool, finding: str) -> Explanation:
    """Saliency of one finding on every slice. Imports torch and Captum."""
    from triage.explain.saliency import saliency

    planes, headers, logits = [], [], []
    number = [spec.name for spec in series.bundle.manifest.findings].index(finding)
    slices = []
    for _, one, result in prepared_slices(series, pool):
        if isinstance(result, UnreadablePixels):
            continue
        made = saliency(one.header, series.bundle, result, finding)
        logits.append(float(series.bundle.score(result.tensor[np.newaxis]).logits[0, number]))
        planes.append(made.values)
        headers.append(made.header)
        slices.append(one)
    driving = int(np.argmax(logits))
    header = series_map_header(series, slices, driving, finding, headers[driving].method, headers[driving].to_image)
    return Explanation(header.model_copy(update={"parameters": headers[0].parameters}), np.stack(planes))
