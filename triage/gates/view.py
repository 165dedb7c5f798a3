"""Was the image taken from a direction that the model was trained on?"""

import re

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import marked, passed, stopped

LATERAL_WORDS = re.compile(r"\b(LAT|LATERAL|LL|RL|PROFIL|SEITLICH|OBLIQUE|OBL|LPO|RPO|LAO|RAO)\b")
LATERAL_VIEWS = frozenset({"LL", "RL", "LAT", "LATERAL", "LLD", "RLD"})


def view_gate(header: InstanceHeader, accepts: Accepts) -> GateResult:
    """View Position (0018,5101) or View Code Sequence is an accepted one; an absent one is marked.

    Where the header states no view but its series description names a lateral or oblique one, that is believed.
    """
    view = header.view_position.strip().upper()
    if not accepts.views:
        return passed("view", "the model reads any view", view)
    if view in accepts.views:
        return passed("view", f"frontal view {view}", view)
    if view:
        name = "lateral view" if view in LATERAL_VIEWS else f"view {view} is not one the model reads"
        return stopped("view", name, view)
    if LATERAL_WORDS.search(header.series_description.upper().replace("_", " ")):
        return stopped("view", "lateral or oblique view by its series description", "absent")
    return marked("view", "view is not stated; taken as frontal", "absent")
