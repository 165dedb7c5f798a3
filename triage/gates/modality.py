"""Was the image made by a kind of device that the model was trained on?"""

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.body_part import parts, read_by
from triage.gates.verdicts import marked, passed, stopped

SECONDARY_CAPTURES = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.")
"""Secondary Capture Image Storage and its multi-frame kin (PS3.4 B.5)."""
UNKNOWN = ("", "OT", "SC")
"""Modalities of captures that do not say what made the picture."""


def is_secondary_capture(header: InstanceHeader) -> bool:
    """Whether the instance is a capture of something shown, rather than what the device recorded."""
    uid = header.sop_class_uid
    return uid == SECONDARY_CAPTURES[0] or uid.startswith(SECONDARY_CAPTURES[1])


def of_unknown_device(header: InstanceHeader) -> bool:
    """Whether it is a capture that does not say what made the picture."""
    return is_secondary_capture(header) and header.modality in UNKNOWN


def modality_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Modality (0008,0060) is one the model reads; a secondary capture of it is marked.

    A capture that does not say what made it goes by its body part, else by the one that its series description names;
    its pixels are then judged as any.
    """
    value = header.modality or "absent"
    if header.modality in accepts.modalities:
        if is_secondary_capture(header):
            return marked("modality", f"secondary capture of {value}: pixel values may have been altered", value)
        return passed("modality", f"modality {value} is read by the model", value)
    named = parts(header.body_part) or parts(header.series_description)
    if of_unknown_device(header) and read_by(accepts, named):
        return marked("modality", "secondary capture: how it was acquired is not known", value)
    return stopped("modality", f"modality {value} is not one the model reads", value)
