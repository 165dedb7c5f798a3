"""The three verdicts a gate can give, as short constructors."""

from data_schemas.gate import GateOutcome, GateResult


def passed(gate: str, sentence: str, value: object = "") -> GateResult:
    """The model may speak as far as this gate can tell."""
    return GateResult(gate=gate, outcome=GateOutcome.PASSED, sentence=sentence, value=str(value))


def marked(gate: str, sentence: str, value: object = "") -> GateResult:
    """The image goes on, and a reader is told."""
    return GateResult(gate=gate, outcome=GateOutcome.MARKED, sentence=sentence, value=str(value))


def stopped(gate: str, sentence: str, value: object = "") -> GateResult:
    """The model must not speak about this image."""
    return GateResult(gate=gate, outcome=GateOutcome.STOPPED, sentence=sentence, value=str(value))
