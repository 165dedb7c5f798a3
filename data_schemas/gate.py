"""The verdict of one gate on one image."""

from enum import StrEnum

from data_schemas.base import Value


class GateOutcome(StrEnum):
    """Passed; marked: goes on, and the page shows it; stopped: not scored."""

    PASSED = "passed"
    MARKED = "marked"
    STOPPED = "stopped"


class GateResult(Value):
    """One gate, one sentence, and the value that decided."""

    gate: str
    outcome: GateOutcome
    sentence: str
    value: str = ""
