"""How scores stand noise, blur, contrast, shifts and compression of the images, and attacks on the network's input.

The first are done to the files, which then go the whole way of `screen`, gates included. Attacks follow gradients, so
they are done to the prepared tensors: FGSM (Goodfellow et al. 2015, arXiv:1412.6572) and PGD (Madry et al. 2018,
arXiv:1706.06083) by Captum, against all labelled findings at once.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.uid import ExplicitVRLittleEndian

from data_schemas.bundle import BundleManifest, PrepareSpec, Values
from data_schemas.evaluation import Changed, UnderChange
from data_schemas.score import StudyScreening
from pipelines.judge import number
from pipelines.metrics import Bools, Floats, auroc
from pipelines.studies import Request, read
from triage.gates.distribution import distribution_gate
from triage.gates.order import first_stop
from triage.images.decode_pool import DecodePool
from triage.images.headers import read_header
from triage.images.pixels import StoredPixels
from triage.models.bundle import Bundle
from triage.models.calibration import finding_scores
from triage.screening import Candidate, Stopwatch, admit
from triage.series_screening import all_series, leading, prepared_slices

Grey = NDArray[np.float32]
BATCH = 8
PGD_STEPS = 10


@dataclass(frozen=True)
class Change:
    """What is done to the grey of an image, 0 to 1 over the range that the bundle looks at."""

    name: str
    strength: str
    grey: Callable[[Grey, np.random.Generator], Grey]
    moves: bool = False
    """Whether grey beyond the range is changed as well."""


@dataclass(frozen=True)
class Attack:
    """A step against the gradient's sign, or several."""

    name: str
    strength: str
    radius: float
    """Largest change of a pixel, of the range of grey."""
    steps: int = 1


@dataclass(frozen=True)
class Said:
    """Probabilities and flags of one study or image."""

    scores: Mapping[str, float]
    acts: Mapping[str, bool]


def noise(deviation: float, grey: Grey, random: np.random.Generator) -> Grey:
    """Normal noise."""
    return grey + np.float32(deviation) * random.standard_normal(grey.shape, dtype=np.float32)


def blur(part: float, grey: Grey, _: np.random.Generator) -> Grey:
    """A Gaussian with a deviation of that part of the longer side."""
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), part * max(grey.shape)), np.float32)


def gamma(power: float, grey: Grey, _: np.random.Generator) -> Grey:
    """Brighter middle tones below 1, darker ones above; a linear change would be undone by the bundle's scaling."""
    return np.asarray(np.clip(grey, 0, 1) ** np.float32(power), np.float32)


def shift(part: float, grey: Grey, random: np.random.Generator) -> Grey:
    """By that part of each side, to a random corner; the edge is repeated."""
    down, across = (part * side * random.choice((-1, 1)) for side in grey.shape)
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(grey, matrix, grey.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def jpeg(quality: int, grey: Grey, _: np.random.Generator) -> Grey:
    """Through 8 bits and a JPEG file."""
    done, coded = cv2.imencode(".jpg", np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8), [1, quality])
    assert done  # 8-bit grey always can be
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.float32) / np.float32(255)


CHANGES = (
    Change("noise", "deviation 0.02 of the range", partial(noise, 0.02)),
    Change("noise", "deviation 0.05 of the range", partial(noise, 0.05)),
    Change("blur", "deviation 1/256 of the longer side", partial(blur, 1 / 256)),
    Change("blur", "deviation 2/256 of the longer side", partial(blur, 2 / 256)),
    Change("contrast", "gamma 0.7", partial(gamma, 0.7)),
    Change("contrast", "gamma 1.4", partial(gamma, 1.4)),
    Change("shift", "2 % of each side", partial(shift, 0.02), moves=True),
    Change("shift", "5 % of each side", partial(shift, 0.05), moves=True),
    Change("JPEG", "quality 50", partial(jpeg, 50)),
    Change("JPEG", "quality 20", partial(jpeg, 20)),
)
ATTACKS = (
    Attack("FGSM", "1/255 of the range", 1 / 255),
    Attack("FGSM", "4/255 of the range", 4 / 255),
    Attack("PGD", f"1/255 of the range, {PGD_STEPS} steps", 1 / 255, PGD_STEPS),
    Attack("PGD", f"4/255 of the range, {PGD_STEPS} steps", 4 / 255, PGD_STEPS),
)


def changed_request(
    request: Request, change: Change, spec: PrepareSpec, folder: Path, pool: DecodePool, seed: int
) -> Request:
    """The same study with changed pixels, as uncompressed files in `folder`. Raises UnreadablePixels."""
    found = []
    for place, one in enumerate(request.to_screen.instances):
        random = np.random.default_rng([seed, place])
        path = changed_file(one.path, change, spec, folder / f"{place:05}.dcm", pool, random)
        found.append((path, request.rows[one.header.sop_instance_uid]))
    return read(found)


def changed_file(
    path: Path, change: Change, spec: PrepareSpec, target: Path, pool: DecodePool, random: np.random.Generator
) -> Path:
    """One file, frame by frame; a colour image, which no bundle reads, stays as it is."""
    header = read_header(path)[1]
    frames = []
    for frame in range(header.frames):
        pixels = pool.read(path, header, frame=frame)
        if pixels.values.ndim != 2:
            return path
        frames.append(changed_values(pixels, change, spec, random))
    dataset = dcmread(path)
    stored = np.stack(frames)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    content = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if stored.dtype.itemsize == 2 else "OB"
    dcmwrite(target, dataset, enforce_file_format=True)
    return target


def changed_values(
    pixels: StoredPixels, change: Change, spec: PrepareSpec, random: np.random.Generator
) -> NDArray[np.integer]:
    """Stored values of one frame in their own type; those beyond the range stay, unless the change moves."""
    low, high = looked_at(pixels, spec)
    grey = ((pixels.values.astype(np.float32) - np.float32(low)) / np.float32(high - low)).astype(np.float32)
    if change.moves:
        found = change.grey(grey, random)
    else:
        found = np.where((grey >= 0) & (grey <= 1), change.grey(np.clip(grey, 0, 1), random), grey)
    bits, signed = pixels.header.bits_stored, pixels.header.pixel_representation
    lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    stored: NDArray[np.integer] = np.clip(np.rint(found * (high - low) + low), lowest, highest).astype(
        pixels.values.dtype
    )
    return stored


def looked_at(pixels: StoredPixels, spec: PrepareSpec) -> tuple[float, float]:
    """The stored values that the bundle sees as black and as white, through the first of its windows."""
    if spec.values is Values.MODALITY:
        slope, intercept = pixels.look.slope, pixels.look.intercept
        center, width = spec.windows[0]
        return (center - width / 2 - intercept) / slope, (center + width / 2 - intercept) / slope
    low, high = np.percentile(pixels.values, (spec.low_percentile, spec.high_percentile))
    return float(low), float(max(high, low + 1))


def compared(
    change: str,
    strength: str,
    before: Sequence[Said],
    after: Sequence[Said | None],
    labels: Sequence[Mapping[str, float]],
) -> Changed:
    """The figures of one change; None: a gate stopped it."""
    passed = [place for place, one in enumerate(after) if one is not None]
    findings = {}
    for finding in labels[0] if labels else ():
        here = [place for place in passed if labels[place][finding] == labels[place][finding]]
        positive = np.array([labels[place][finding] == 1 for place in here], dtype=bool)
        pairs = [(before[place], after[place]) for place in here]
        scores = np.array([(a.scores[finding], b.scores[finding]) for a, b in pairs if b], dtype=np.float64)
        flags = [a.acts[finding] != b.acts[finding] for a, b in pairs if b]
        if here:
            findings[finding] = under_change(scores, np.array(flags, dtype=bool), positive)
    return Changed(
        change=change,
        strength=strength,
        images=len(after),
        stopped=len(after) - len(passed),
        findings=findings,
    )


def under_change(scores: Floats, flags: Bools, positive: Bools) -> UnderChange:
    """`scores` (images, 2): before and after."""
    return UnderChange(
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        auroc_unchanged=number(auroc(scores[:, 0], positive)),
        auroc=number(auroc(scores[:, 1], positive)),
        mean_change=round(float(np.abs(scores[:, 1] - scores[:, 0]).mean()), 4),
        flags_changed=round(float(flags.mean()), 4),
    )


def attacked_input(
    request: Request, screening: StudyScreening, bundle: Bundle, pool: DecodePool
) -> NDArray[np.float32] | None:
    """(channels, height, width) of a scored study: its first scored image, or the leading slice of its series.

    None where it has neither.
    """
    volume = next((one for one in screening.volumes if one.scores), None)
    if volume is not None:
        mine = [
            one for one in request.to_screen.instances if one.header.series_instance_uid == volume.series_instance_uid
        ]
        [series] = all_series(request.to_screen.study, mine, bundle)
        wanted = volume.slices[leading(volume, volume.findings[0])]
        for _, one, result in prepared_slices(series, pool):
            if (one.header.sop_instance_uid, one.frame) == (wanted.sop_instance_uid, wanted.frame):
                return result.tensor if not isinstance(result, Exception) else None
    scored = {image.sop_instance_uid for image in screening.images if image.scores}
    for instance in request.to_screen.instances:
        if instance.header.sop_instance_uid in scored:
            admitted = admit(request.to_screen.study, instance, [bundle], pool, Stopwatch())
            return admitted.prepared.tensor if isinstance(admitted, Candidate) else None
    return None


def attacks(
    bundle: Bundle, tensors: Sequence[NDArray[np.float32]], labels: Sequence[Mapping[str, float]]
) -> Iterator[Changed]:
    """Each attack on these inputs (channels, height, width); labels of a study count for its input."""
    names = [finding.name for finding in bundle.manifest.findings]
    wanted = np.array([[label[name] for name in names] for label in labels], np.float32)
    stacked = np.stack(tensors)
    before = [one for one, _ in said(bundle, stacked)]
    for attack in ATTACKS:
        after = [None if stopped else one for one, stopped in said(bundle, attacked(bundle, stacked, wanted, attack))]
        yield compared(attack.name, attack.strength, before, after, labels)


def attacked(
    bundle: Bundle, tensors: NDArray[np.float32], labels: NDArray[np.float32], attack: Attack
) -> NDArray[np.float32]:
    """(n, channels, height, width) that the labels (n, findings; NaN unknown) are told from as badly as the attack can.

    Imports torch and Captum.
    """
    import torch
    from captum.robust import FGSM, PGD

    network, spec = bundle.network(), bundle.manifest.prepare
    low, high = -spec.mean / spec.std, (1 - spec.mean) / spec.std
    radius = attack.radius / spec.std

    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        # Not the cross-entropy, whose gradient vanishes where the network is sure.
        return (torch.nan_to_num(1 - 2 * target) * logits).sum(dim=1)

    found = []
    for start in range(0, len(tensors), BATCH):
        batch = torch.from_numpy(tensors[start : start + BATCH]).clone().requires_grad_()
        target = torch.from_numpy(labels[start : start + BATCH])
        arguments = {"forward_func": lambda x: network(x)[0], "loss_func": loss}
        if attack.steps == 1:
            made = FGSM(**arguments, lower_bound=low, upper_bound=high).perturb(batch, radius, target)
        else:
            step = 2.5 * radius / attack.steps
            with warnings.catch_warnings():  # it says at each step that it asks for gradients itself
                warnings.simplefilter("ignore", UserWarning)
                made = PGD(**arguments, lower_bound=low, upper_bound=high).perturb(
                    batch, radius, step, attack.steps, target
                )
        found.append(made.detach().numpy())
    return np.concatenate(found)


def said(bundle: Bundle, tensors: NDArray[np.float32]) -> list[tuple[Said, bool]]:
    """Of each input alone, and whether the distribution gate stops it."""
    found = []
    for start in range(0, len(tensors), BATCH):
        raw = bundle.score(np.ascontiguousarray(tensors[start : start + BATCH]))
        for logits, features in zip(raw.logits, raw.features, strict=True):
            distance = bundle.ood_distance(features)
            stopped = first_stop([distribution_gate(distance, bundle.manifest.ood)]) is not None
            found.append((of_logits(bundle.manifest, logits), stopped))
    return found


def of_logits(manifest: BundleManifest, logits: NDArray[np.float32]) -> Said:
    """Probabilities and flags of one row of logits."""
    scores = finding_scores(manifest, logits)
    return Said({one.finding: one.probability for one in scores}, {one.finding: one.positive for one in scores})


def of_screening(screening: StudyScreening) -> Said | None:
    """None where it was not scored."""
    if not screening.findings:
        return None
    found = screening.findings
    return Said({one.finding: one.probability for one in found}, {one.finding: one.positive for one in found})
