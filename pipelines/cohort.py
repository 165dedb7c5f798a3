"""Labelled images for training: NIH ChestX-ray14 rows with findings that the labels can carry, split by patient."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data_schemas.errors import TriageError
from pipelines.table import UNKNOWN, Fields, number_in, read_table

LABELS: Mapping[str, frozenset[str]] = {
    "opacity": frozenset({"Pneumonia", "Consolidation", "Infiltration"}),
    "effusion": frozenset({"Effusion"}),
    "pneumothorax": frozenset({"Pneumothorax"}),
    "cardiomegaly": frozenset({"Cardiomegaly"}),
    "oedema": frozenset({"Edema"}),
    "nodule_or_mass": frozenset({"Nodule", "Mass"}),
}
"""Findings by the text-mined labels that state them."""
DOUBTFUL = frozenset({"Atelectasis", "Edema", "Effusion", "Fibrosis", "Mass", "Pleural_Thickening"})
"""Labels beside which a lung opacity may go unmentioned: without a re-read nothing is known of opacity."""
OTHERS = frozenset({"Atelectasis", "Emphysema", "Fibrosis", "Hernia", "Pleural_Thickening"})
NO_FINDING = "No Finding"
NIH_LABELS = frozenset({NO_FINDING}) | OTHERS | frozenset[str]().union(*LABELS.values())
"""All that NIH ChestX-ray14 states."""
ABNORMAL = "abnormal"
"""Any label at all."""
FINDINGS = (*LABELS, ABNORMAL)
READ_AGAIN: Mapping[str, tuple[float, float]] = {
    "Normal": (0.0, 0.0),
    "No Lung Opacity / Not Normal": (0.0, 1.0),
    "Lung Opacity": (1.0, 1.0),
}
"""The RSNA re-read by radiologists decides about opacity, and abnormal, where an image has one."""
EXPERT: Mapping[str, str] = {
    "pneumothorax": "expert_pneumothorax",
    "opacity": "expert_airspace_opacity",
    "nodule_or_mass": "expert_nodule_or_mass",
}
"""Columns of adjudicated reads. No label is taken from them; one that they contradict is not believed."""


@dataclass(frozen=True)
class Case:
    """One image with what is known of it."""

    image: Path
    patient_id: str
    age_years: float
    """NaN where it is not known."""
    source: str
    labels: Mapping[str, float]
    """1 stated, 0 not stated, NaN where nothing is known, as where two readings contradict each other."""
    view: str = ""
    sex: str = ""
    read_again: bool = False
    """Whether radiologists looked again (RSNA Pneumonia Challenge 2018)."""
    mined_opacity: bool = False
    """Whether the report alone states an opacity."""
    expert: Mapping[str, float] = field(default_factory=dict)
    """Adjudicated reads of the few images that have them; never trained on."""


def read_cases(folder: Path, needed: Collection[str], make: Callable[[Fields], Case]) -> list[Case]:
    """The rows of the folder's manifest.csv in the file's order, each as `make` reads it.

    `make` raises ValueError for what it cannot use. Raises TriageError that names the file and the line, for a column
    or an image that is missing and for a cell that cannot be used.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise TriageError(f"{manifest} is missing; give the folder that holds manifest.csv and images")
    table = read_table(manifest)
    lacking = sorted(set(needed) - set(table.columns))
    if lacking:
        raise TriageError(f"{manifest} has no column {lacking[0]}; it needs {', '.join(sorted(needed))}")
    found = []
    for line, row in table.rows:
        try:
            one = make(row)
        except ValueError as error:
            raise TriageError(f"{manifest}, line {line}: {error}") from error
        if not one.image.is_file():
            raise TriageError(f"{manifest}, line {line}: there is no image {one.image}")
        found.append(one)
    return found


NEEDED = ("image", "patient_id", "age", "view", "labels", "rsna_class", "source")


def read_cohort(folder: Path, *, min_age_years: float = 18.0) -> list[Case]:
    """The rows of manifest.csv from that age on, or of no stated age, in the file's order. Raises TriageError."""
    cases = read_cases(folder, NEEDED, partial(case, folder))
    return [one for one in cases if not one.age_years < min_age_years]


def case(folder: Path, row: Fields) -> Case:
    """One row as a value. Raises ValueError for a label that NIH ChestX-ray14 does not have."""
    stated = frozenset(row["labels"].split("|")) if row["labels"] else frozenset()
    strange = sorted(stated - NIH_LABELS)
    if strange:
        raise ValueError(f"labels has {strange[0]!r}, which is none of {', '.join(sorted(NIH_LABELS))}")
    labels = {finding: float(bool(stated & names)) for finding, names in LABELS.items()}
    labels[ABNORMAL] = float(stated != {NO_FINDING})
    if not stated:
        labels = dict.fromkeys(labels, UNKNOWN)
    read_again = READ_AGAIN.get(row["rsna_class"])
    if read_again is not None:
        report_was_clean = labels[ABNORMAL] == 0 if stated else read_again[1] == 0
        labels["opacity"], labels[ABNORMAL] = read_again
        if report_was_clean != (labels[ABNORMAL] == 0):
            # report and re-read contradict each other: what the report says of the other findings is not believed
            labels = {f: value if f in ("opacity", ABNORMAL) else UNKNOWN for f, value in labels.items()}
    elif labels["opacity"] == 0 and stated & DOUBTFUL:
        labels["opacity"] = UNKNOWN
    expert = {finding: float(row[name] == "YES") for finding, name in EXPERT.items() if row.get(name)}
    labels |= {finding: UNKNOWN for finding, read in expert.items() if labels[finding] != read}
    if labels[ABNORMAL] == 0 and any(expert.values()):
        labels[ABNORMAL] = UNKNOWN
    return Case(
        image=folder / "images" / row["image"],
        patient_id=row["patient_id"],
        age_years=number_in(row, ("age",)),
        view=row["view"],
        sex=row.get("sex") or "",
        source=row["source"],
        labels=labels,
        read_again=read_again is not None,
        mined_opacity=bool(stated & LABELS["opacity"]),
        expert=expert,
    )


def label_matrix(cases: Sequence[Case], findings: Sequence[str]) -> NDArray[np.float32]:
    """(cases, findings): 1, 0 or NaN."""
    labels = np.array([[case.labels[finding] for finding in findings] for case in cases], dtype=np.float32)
    return labels.reshape(len(cases), len(findings))


def folds_by_patient(cases: Sequence[Case], folds: int, seed: int) -> NDArray[np.int64]:
    """(cases,): the fold of each, all images of one patient in the same; patients are shuffled by the seed."""
    patients = sorted({case.patient_id for case in cases})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold_of = {patients[index]: place % folds for place, index in enumerate(order)}
    return np.array([fold_of[case.patient_id] for case in cases], dtype=np.int64)


def set_aside(cases: Sequence[Case], share: float, what: str = "set aside") -> NDArray[np.bool_]:
    """(cases,): those of a share of the patients, by a hash of the patient alone, so that it stays the same.

    Those "set aside" no choice may see.
    """

    def held(patient: str) -> bool:
        return int(hashlib.sha256(f"{what} {patient}".encode()).hexdigest()[:8], 16) < share * 2**32

    return np.array([held(case.patient_id) for case in cases], dtype=np.bool_)


def cohort_sha256(cases: Sequence[Case]) -> str:
    """One hash over names, labels and bytes of every image: which data made a model."""
    digest = hashlib.sha256()
    for one in cases:
        digest.update(f"{one.image.name} {one.patient_id} {sorted(one.labels.items())}\n".encode())
        digest.update(hashlib.sha256(one.image.read_bytes()).digest())
    return digest.hexdigest()


def patients(cases: Sequence[Case]) -> int:
    """How many there are."""
    return len({case.patient_id for case in cases})


def together(labels: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(findings,) of images (n, findings): 1 where one has it, 0 where none has, NaN where that is not known."""
    found = np.where(np.isnan(labels).any(axis=0), np.nan, 0.0)
    return np.where((labels == 1).any(axis=0), 1.0, found).astype(np.float32)


def patients_of(cases: Sequence[Case]) -> NDArray[np.str_]:
    """(cases,): whose each is."""
    return np.array([case.patient_id for case in cases])


def ages(cases: Sequence[Case]) -> list[float] | None:
    """The youngest and the oldest, where ages are known."""
    known = [case.age_years for case in cases if not np.isnan(case.age_years)]
    return [min(known), max(known)] if known else None


AGES = ((40, "0 to 39"), (60, "40 to 59"), (float("inf"), "60 and over"))
NOT_STATED = "not stated"


def age_group(years: float) -> str:
    """In words; not stated where it is NaN."""
    return next((words for below, words in AGES if years < below), NOT_STATED)


def groups_of(cases: Sequence[Case]) -> dict[str, NDArray[np.str_]]:
    """(cases,) names of groups, by sex and by age."""
    return {
        "by_sex": np.array([case.sex or NOT_STATED for case in cases]),
        "by_age": np.array([age_group(case.age_years) for case in cases]),
    }


def counts(names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs."""
    return {name: names.count(name) for name in sorted(set(names))}
