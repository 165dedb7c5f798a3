"""Was contrast medium given?"""

import re

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import passed, stopped

NONE_GIVEN = re.compile(
    r"-*|(NO|NON(?!.?IONIC)|NONE|N|NIL|NULL|OFF|0|W/?O|WITHOUT|UNENHANCED|NATIVE?|PLAIN|UNKNOWN|ORAL(?!.*\bI\.?V))\b.*"
)
"""What senders write where none went into a vessel."""
LONGEST = 32


def contrast_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """Contrast/Bolus Agent (0018,0010) names none, for a model that reads images without."""
    stated = header.contrast_agent.strip()
    if not accepts.without_contrast:
        return passed("contrast", "the model reads images with and without contrast medium", stated)
    if NONE_GIVEN.fullmatch(stated.upper()):
        return passed("contrast", "no contrast medium is stated", stated or "absent")
    name = stated[:LONGEST].lower()
    return stopped("contrast", f"contrast medium was given ({name}); the model reads scans without", stated)
