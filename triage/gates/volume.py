"""Is the series a volume that the model can read slice by slice?"""

import numpy as np
from numpy.typing import NDArray

from data_schemas.bundle import Accepts, Values, VolumeSpec
from data_schemas.gate import GateResult
from data_schemas.study import StudyHeader
from data_schemas.volume import StackFault, VolumeFacts
from triage.gates.age import age_gate
from triage.gates.body_part import body_part_gate
from triage.gates.contrast import contrast_gate
from triage.gates.encoding import bits_gate, burned_in_gate, colour_gate
from triage.gates.geometry import geometry_gate
from triage.gates.modality import modality_gate
from triage.gates.verdicts import marked, passed, stopped
from triage.images.series import Stack

AIR_BELOW = -200.0
"""Hounsfield units: no tissue but lung lies below, air around the patient does."""
TISSUE = (-20.0, 100.0)
"""Hounsfield units of soft tissue."""
LEAST_TISSUE = 0.02
DENSEST = 32_767.0
WITHIN_MM = 0.01


def series_gates(
    study: StudyHeader, stack: Stack, facts: VolumeFacts, accepts: Accepts, values: Values = Values.DISPLAY
) -> tuple[GateResult, ...]:
    """Every gate of a series that needs no pixels; what the first slice's header says counts for all."""
    header, spec = stack.slices[0].header, accepts.volume or VolumeSpec()
    return (
        modality_gate(header, accepts),
        body_part_gate(header, accepts),
        contrast_gate(header, accepts),
        age_gate(study, accepts),
        colour_gate(header, values),
        bits_gate(header),
        geometry_gate(header, accepts),
        burned_in_gate(header),
        *stack_gates(stack, facts, spec),
        orientation_gate(facts, spec),
        thickness_gate(facts, spec),
    )


def stack_gates(stack: Stack, facts: VolumeFacts, spec: VolumeSpec) -> list[GateResult]:
    """How many slices there are, each irregularity, and what was left out."""
    found = [count_gate(facts.slices, spec)]
    for one in stack.irregularities:
        verdict = marked if tolerated(one.fault, facts, spec) else stopped
        found.append(verdict(one.fault, one.sentence))
    if not stack.irregularities and facts.slices > 1:
        found.append(passed("slices", f"slices lie evenly, {facts.gaps_mm[1]:g} mm apart", facts.gaps_mm[1]))
    if stack.left_out:
        reasons = ", ".join(dict.fromkeys(one.why for one in stack.left_out))
        count = len(stack.left_out)
        words = "1 image is left out" if count == 1 else f"{count} images are left out"
        found.append(marked("left out", f"{words}: {reasons}", count))
    return found


def tolerated(fault: StackFault, facts: VolumeFacts, spec: VolumeSpec) -> bool:
    """Whether a series may be scored with that fault.

    Where slices are missing, but none is further from the next one than those that the model wants, nothing is hidden
    that it would see otherwise.
    """
    near = facts.gaps_mm[1] <= spec.wanted_thickness_mm + WITHIN_MM
    return fault in spec.tolerates or (fault is StackFault.MISSING and near)


def count_gate(slices: int, spec: VolumeSpec) -> GateResult:
    """As many slices as the model needs, and not more than it takes."""
    if slices < spec.min_slices:
        words = "1 slice" if slices == 1 else f"{slices} slices"
        return stopped("slice count", f"the series has {words}; the model reads {spec.min_slices} and more", slices)
    if slices > spec.max_slices:
        return stopped("slice count", f"{slices} slices; the model reads up to {spec.max_slices}", slices)
    return passed("slice count", f"{slices} slices", slices)


def orientation_gate(facts: VolumeFacts, spec: VolumeSpec) -> GateResult:
    """Slices lie as the model knows them."""
    if not spec.orientations or facts.orientation in spec.orientations:
        return passed("orientation", f"{facts.orientation} slices", facts.orientation)
    wanted = " or ".join(spec.orientations)
    return stopped("orientation", f"{facts.orientation} slices; the model reads {wanted} ones", facts.orientation)


def thickness_gate(facts: VolumeFacts, spec: VolumeSpec) -> GateResult:
    """Slices are neither too thin nor too thick."""
    value = f"{facts.thickness_mm:g} mm"
    if spec.min_thickness_mm <= facts.thickness_mm <= spec.max_thickness_mm:
        return passed("thickness", f"slices of {value}", value)
    limits = f"{spec.min_thickness_mm:g} to {spec.max_thickness_mm:g} mm"
    return stopped("thickness", f"slices of {value}; the model reads {limits}", value)


def hounsfield_gate(values: NDArray[np.float32]) -> GateResult:
    """Values can be Hounsfield units: there is air, there is soft tissue, and nothing is denser than metal.

    `values`: (slices, rows, columns), some slices of the series in modality values.
    """
    low, high = float(values.min()), float(values.max())
    value = f"{low:.0f} to {high:.0f}"
    if low > AIR_BELOW or high > DENSEST:
        why = "there is no air" if low > AIR_BELOW else "nothing is so dense"
        return stopped("values", f"values from {value} cannot be Hounsfield units: {why}", value)
    share = float(np.mean((values >= TISSUE[0]) & (values <= TISSUE[1])))
    if share < LEAST_TISSUE:
        return stopped("values", f"values from {value} cannot be Hounsfield units: there is no soft tissue", value)
    return passed("values", f"Hounsfield units from {value}", value)


def noise_gate(values: NDArray[np.float32], most: float) -> GateResult:
    """The noise of soft tissue is that of a kernel the model knows; `values` as for `hounsfield_gate`."""
    noise = noise_of(values)
    value = f"{noise:.1f}"
    if noise <= most:
        return passed("noise", f"noise of {value} in soft tissue", value)
    return stopped("noise", f"noise of {value} in soft tissue, above {most:g}: a sharp kernel, made for bone", value)


def noise_of(values: NDArray[np.float32]) -> float:
    """Standard deviation of a pixel about its four neighbours' mean, where all five are soft tissue; 0 without any.

    From the median of the absolute differences, so that edges do not count.
    """
    middle, around = values[:, 1:-1, 1:-1], [values[:, 1:-1, :-2], values[:, 1:-1, 2:], values[:, :-2, 1:-1]]
    around.append(values[:, 2:, 1:-1])
    five = np.stack([middle, *around])
    tissue = np.all((five >= TISSUE[0]) & (five <= TISSUE[1]), axis=0)
    if not tissue.any():
        return 0.0
    differences = np.abs(middle - np.mean(around, axis=0))[tissue]
    return float(np.median(differences) * 1.4826 / np.sqrt(1.25))
