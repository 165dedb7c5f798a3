"""A manifest: which images there are, whose they are and what is known to be on them, one row an image or a series.

Columns: `image` (or `file`, `path`), `patient_id` (or `patient`); where there are any `study`, `slice`, `age`, `sex`,
`view`, `source`, `pixel_spacing_mm` (or `spacing_mm`); and the labels, in one of these ways:
- a column for each finding of the bundle: 1, 0, or empty where it is not known;
- `labels` (and `rsna_class`) as NIH ChestX-ray14 is read for training;
- `hemorrhage` and its kinds as CT-ICH is;
- `label` as OCTDL and OCT2017 are.
"""

import csv
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_schemas.errors import TriageError
from pipelines import cohort, head, retina

UNKNOWN = float("nan")
IMAGE, PATIENT, SPACING = ("image", "file", "path"), ("patient_id", "patient"), ("pixel_spacing_mm", "spacing_mm")
WHOLE_WIDTH = ("original_width", "orig_width")
"""Columns of the width that the stated pixel spacing belongs to."""
SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}
FOLDERS = (".", "images", "slices")
"""Where images are looked for."""
AS_NUMBERS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": UNKNOWN, "nan": UNKNOWN}
Fields = Mapping[str, str]
Labels = Callable[[Fields], Mapping[str, float]]
"""What one row says of the findings it speaks of; raises ValueError."""


@dataclass(frozen=True)
class Row:
    """One row: an image, a slice, or a file or folder that holds a series."""

    line: int
    """Of the file, the heading being 1."""
    image: str
    """As it is written."""
    patient: str
    study: str
    """Empty where the manifest names none."""
    place: float
    """Of a slice in its study; NaN where the manifest does not number them."""
    age_years: float
    sex: str
    """M, F or empty."""
    view: str
    source: str
    spacing_mm: float
    whole_width_px: float
    """Columns of the image that `spacing_mm` was stated for; NaN: of this one."""
    labels: Mapping[str, float]
    """By finding: 1, 0, or NaN where it is not known."""

    def path(self, images: Path) -> Path:
        """Where the image lies; as it is written where it is nowhere."""
        places = [images / folder / self.image for folder in FOLDERS]
        return next((place for place in places if place.exists()), images / self.image)


def read_manifest(path: Path, findings: Sequence[str]) -> list[Row]:
    """The rows in the file's order. Raises TriageError that names the file, its fault and what is needed."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name.strip() for name in reader.fieldnames or ()]
            rows = [{name.strip(): (value or "").strip() for name, value in row.items() if name} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TriageError(f"{path} cannot be read as a table of comma-separated values: {error}") from error
    labels_of = layout(path, columns, findings)
    if not rows:
        raise TriageError(f"{path} has no row below its heading")
    return [read_row(path, line, row, labels_of, findings) for line, row in enumerate(rows, start=2)]


def layout(path: Path, columns: Sequence[str], findings: Sequence[str]) -> Labels:
    """By the columns there are. Raises TriageError that says which there are and which are needed."""
    own = {finding: finding for finding in findings if finding in columns}
    own |= {name: column for name, column in head.COLUMNS.items() if name in findings and column in columns}
    lacking = [
        words
        for words, names in (("image (or file, path)", IMAGE), ("patient_id (or patient)", PATIENT))
        if not set(names) & set(columns)
    ]
    read: Labels | None = None
    if own:
        read = partial(own_labels, own)
    elif "labels" in columns and set(cohort.FINDINGS) & set(findings):
        read = nih_labels
    elif "label" in columns and set(retina.TARGETS) & set(findings):
        read = oct_labels
    else:
        lacking.append(f"a column of 1, 0 or empty for at least one finding of the bundle ({', '.join(findings)})")
    if lacking or read is None:
        raise TriageError(f"{path} has the columns {', '.join(columns) or 'none'}; it lacks {' and '.join(lacking)}")
    return read


def own_labels(columns: Mapping[str, str], row: Fields) -> Mapping[str, float]:
    """From a column for each finding. Raises ValueError with the value that is none of 1, 0 and empty."""
    return {finding: number_of(row, column) for finding, column in columns.items()}


def nih_labels(row: Fields) -> Mapping[str, float]:
    """From `labels` and `rsna_class`, as the chest model's training reads them."""
    usual = {"rsna_class": "", "view": "", "source": "", "image": "", "patient_id": ""}
    return cohort.case(Path(), usual | dict(row) | {"age": "nan"}).labels if row["labels"] else {}


def oct_labels(row: Fields) -> Mapping[str, float]:
    """From `label`, one disease a scan, as the OCT model's training reads it."""
    return retina.labels_of(row["label"].upper()) if row["label"] else {}


def number_of(row: Fields, column: str) -> float:
    """1, 0 or NaN. Raises ValueError."""
    value = row.get(column, "").lower()
    if value not in AS_NUMBERS:
        raise ValueError(f"{column} is {value!r}, not 1, 0 or empty")
    return AS_NUMBERS[value]


def read_row(path: Path, line: int, row: Fields, labels_of: Labels, findings: Sequence[str]) -> Row:
    """One row as a value. Raises TriageError that names the line."""
    image, patient = first_of(row, IMAGE), first_of(row, PATIENT)
    if not image or not patient:
        raise TriageError(f"{path}, line {line}: the image or the patient is empty; each row needs both")
    try:
        labels = labels_of(row)
        numbers = [decimal(row, names) for names in (("slice",), ("age",), SPACING, WHOLE_WIDTH)]
    except ValueError as error:
        raise TriageError(f"{path}, line {line}: {error}") from error
    place, age, spacing, whole_width = numbers
    return Row(
        line=line,
        image=image,
        patient=patient,
        study=row.get("study", ""),
        place=place,
        age_years=age,
        sex=SEXES.get(row.get("sex", "").upper(), ""),
        view=row.get("view", "").upper(),
        source=row.get("source", ""),
        spacing_mm=spacing,
        whole_width_px=whole_width,
        labels={finding: labels.get(finding, UNKNOWN) for finding in findings},
    )


def first_of(row: Fields, names: Sequence[str]) -> str:
    """The value of the first of these columns that has one."""
    return next((row[name] for name in names if row.get(name)), "")


def decimal(row: Fields, names: Sequence[str]) -> float:
    """The number in the first of these columns that has one, else NaN. Raises ValueError."""
    value = first_of(row, names)
    try:
        return float(value or "nan")
    except ValueError:
        raise ValueError(f"{names[0]} is {value!r}, not a number") from None


def known(values: Sequence[float]) -> float:
    """What several images say together: 1 where one has it, 0 where none has, NaN where that is not known."""
    found = np.asarray(values, dtype=np.float64)
    return 1.0 if (found == 1).any() else UNKNOWN if np.isnan(found).any() else 0.0


def sha256_of(path: Path) -> str:
    """Of the manifest as it is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
