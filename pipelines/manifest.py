"""A manifest: which images there are, whose they are and what is known to be on them, one row an image or a series.

Columns: `image` (or `file`, `path`), `patient_id` (or `patient`); where there are any `study`, `slice`, `age`, `sex`,
`view`, `source`, `pixel_spacing_mm` (or `spacing_mm`); and the labels, in one of these ways:
- a column for each finding of the bundle: 1, 0, or empty where it is not known;
- `labels` (and `rsna_class`) as NIH ChestX-ray14 is read for training;
- `hemorrhage` and its kinds as CT-ICH is;
- `label` as OCTDL and OCT2017 are.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from data_schemas.errors import TriageError
from pipelines import cohort, head, retina
from pipelines.table import UNKNOWN, Fields, first_of, label_in, number_in, read_table

IMAGE, PATIENT, SPACING = ("image", "file", "path"), ("patient_id", "patient"), ("pixel_spacing_mm", "spacing_mm")
WHOLE_WIDTH = ("original_width", "orig_width")
"""Columns of the width that the stated pixel spacing belongs to."""
SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}
FOLDERS = (".", "images", "slices")
"""Where images are looked for."""
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
    table = read_table(path)
    labels_of = layout(path, table.columns, findings)
    if not table.rows:
        raise TriageError(f"{path} has no row below its heading")
    return [read_row(path, line, row, labels_of, findings) for line, row in table.rows]


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
    return {finding: label_in(row, column) for finding, column in columns.items()}


def nih_labels(row: Fields) -> Mapping[str, float]:
    """From `labels` and `rsna_class`, as the chest model's training reads them."""
    usual = {"rsna_class": "", "view": "", "source": "", "image": "", "patient_id": ""}
    return cohort.case(Path(), usual | dict(row) | {"age": "nan"}).labels


def oct_labels(row: Fields) -> Mapping[str, float]:
    """From `label`, one disease a scan, as the OCT model's training reads it."""
    return retina.labels_of(row["label"])


def read_row(path: Path, line: int, row: Fields, labels_of: Labels, findings: Sequence[str]) -> Row:
    """One row as a value. Raises TriageError that names the line."""
    image, patient = first_of(row, IMAGE), first_of(row, PATIENT)
    if not image or not patient:
        raise TriageError(f"{path}, line {line}: the image or the patient is empty; each row needs both")
    try:
        labels = labels_of(row)
        numbers = [number_in(row, names) for names in (("slice",), ("age",), SPACING, WHOLE_WIDTH)]
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


def known(values: Sequence[float]) -> float:
    """What several images say together: 1 where one has it, 0 where none has, NaN where that is not known."""
    return float(cohort.together(np.asarray(values, dtype=np.float64)[:, None])[0])


def sha256_of(path: Path) -> str:
    """Of the manifest as it is."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
