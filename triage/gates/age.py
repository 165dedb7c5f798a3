"""Is the patient of an age that the model was validated for?"""

from data_schemas.bundle import Accepts
from data_schemas.gate import GateResult
from data_schemas.study import StudyHeader
from triage.gates.verdicts import marked, passed, stopped


def age_gate(study: StudyHeader, accepts: Accepts) -> GateResult:
    """Patient's Age (0010,1010), else from birth and study date; an absent one is marked."""
    if study.age_years is None:
        return marked("age", "age is not stated", "absent")
    age = f"{study.age_years:.0f}" if study.age_years >= 2 else f"{study.age_years:.1f}"
    limits = f"{accepts.min_age_years:.0f} to {accepts.max_age_years:.0f}"
    if accepts.min_age_years <= study.age_years <= accepts.max_age_years:
        return passed("age", f"{age} years, validated for {limits}", age)
    return stopped("age", f"patient is {age} years old; the model was validated for {limits}", age)
