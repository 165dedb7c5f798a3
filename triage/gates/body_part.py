"""Does the image show the part of the body that the model was trained on?"""

import re

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import marked, passed, stopped

OTHER_PARTS = frozenset(
    "ABDOMEN ANKLE ARM BREAST CALCANEUS CSPINE CLAVICLE COCCYX ELBOW EXTREMITY EYE FEMUR FINGER FOOT FOREARM HAND HEAD "
    "HEART HIP HUMERUS JAW KNEE LEG LSPINE MANDIBLE NECK PELVIS PATELLA SHOULDER SINUS SKULL SPINE SSPINE STERNUM "
    "TEETH THIGH THUMB TOE TSPINE WRIST".split()
)
"""Words of PS3.16 Annex L that name something else."""


def body_part_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Body Part Examined (0018,0015) names an accepted part and no other one; an absent one is marked."""
    stated = header.body_part.strip().upper()
    if not accepts.body_parts:
        return passed("body part", "the model reads any body part", stated)
    if not stated:
        return marked("body part", "body part is not stated; judged by its pixels", "absent")
    words = set(re.split(r"[^A-Z]+", stated))
    if words & set(accepts.body_parts) and not words & OTHER_PARTS - set(accepts.body_parts):
        return passed("body part", f"body part {stated.lower()}", stated)
    return stopped("body part", f"body part {stated.lower()} is not one the model reads", stated)
