"""Was the image made by a kind of device that the model was trained on?"""

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import marked, passed, stopped

SECONDARY_CAPTURES = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.")
"""Secondary Capture Image Storage and its multi-frame kin (PS3.4 B.5)."""


def is_secondary_capture(header: InstanceHeader) -> bool:
    """Whether the instance is a capture of something shown, rather than what the device recorded."""
    uid = header.sop_class_uid
    return uid == SECONDARY_CAPTURES[0] or uid.startswith(SECONDARY_CAPTURES[1])


def modality_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Modality (0008,0060) is one the model reads; a secondary capture of it is marked."""
    value = header.modality or "absent"
    if header.modality not in accepts.modalities:
        if not (is_secondary_capture(header) and header.modality in ("OT", "SC") and header.body_part):
            return stopped("modality", f"modality {value} is not one the model reads", value)
        return marked("modality", "secondary capture: how it was acquired is not known", value)
    if is_secondary_capture(header):
        return marked("modality", f"secondary capture of {value}: pixel values may have been altered", value)
    return passed("modality", f"modality {value} is read by the model", value)
