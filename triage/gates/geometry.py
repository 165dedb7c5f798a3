"""Is the image of a plausible size and shape?"""

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import passed, stopped


def geometry_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Rows x columns are neither too small nor too long for what the model was trained on."""
    value = f"{header.rows} x {header.columns}"
    shorter, longer = sorted((header.rows, header.columns))
    if shorter < accepts.min_side_px:
        return stopped("size", f"{value} pixels is too small; {accepts.min_side_px} a side are needed", value)
    if longer > accepts.max_aspect * shorter:
        return stopped(
            "size", f"{value} pixels is too long; the model reads sides of up to {accepts.max_aspect:g} to 1", value
        )
    return passed("size", f"{value} pixels", value)
