"""Which gates are asked, cheapest first."""

from collections.abc import Iterable

from data_schemas.bundle import Accepts
from data_schemas.gate import GateOutcome, GateResult
from data_schemas.study import InstanceHeader, StudyHeader
from triage.gates.age import age_gate
from triage.gates.body_part import body_part_gate
from triage.gates.encoding import bits_gate, burned_in_gate, colour_gate, frames_gate, polarity_gate, processing_gate
from triage.gates.geometry import geometry_gate
from triage.gates.modality import modality_gate
from triage.gates.view import view_gate


def header_gates(study: StudyHeader, header: InstanceHeader, accepts: Accepts) -> tuple[GateResult, ...]:
    """Every gate that needs no pixels; all are asked, so that a reader sees each reason at once."""
    return (
        modality_gate(header, accepts),
        body_part_gate(header, accepts),
        view_gate(header, accepts),
        age_gate(study, accepts),
        frames_gate(header),
        colour_gate(header),
        bits_gate(header),
        geometry_gate(header, accepts),
        processing_gate(header),
        polarity_gate(header),
        burned_in_gate(header),
    )


def first_stop(gates: Iterable[GateResult]) -> GateResult | None:
    """The first gate that stopped the image, or None."""
    return next((gate for gate in gates if gate.outcome is GateOutcome.STOPPED), None)
