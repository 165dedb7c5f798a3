"""Does the image look, to the network, like those it was trained on?"""

import math

from data_schemas.bundle import OodSpec
from data_schemas.gate import GateResult
from triage.gates.verdicts import passed, stopped


def distribution_gate(distance: float, spec: OodSpec) -> GateResult:
    """Distance of the pooled features to the bundle's training statistics is within its threshold."""
    value = f"{distance:.2f} of {spec.threshold:.2f}"
    words = f"distance {distance:.2f}, limit {spec.threshold:.2f}"
    if math.isfinite(distance) and distance <= spec.threshold:
        return passed("distribution", f"looks like the training images ({words})", value)
    return stopped("distribution", f"does not look like the images the model was trained on ({words})", value)
