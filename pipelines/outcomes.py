"""What screening said of each study of a manifest, kept in scores.csv and slices.csv, so that no study is scored twice.

Rows are added as studies are done. A row counts only where its last field, the key of bundle and manifest, is whole:
one that was cut short is left out and done again.
"""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from data_schemas.errors import TriageError
from data_schemas.gate import GateResult
from data_schemas.score import StudyScreening
from pipelines.manifest import known
from pipelines.studies import Request, Study
from pipelines.table import UNKNOWN
from triage.gates.order import first_stop
from triage.models.bundle import MANIFEST

SCORED, STOPPED, UNREADABLE = "scored", "stopped", "unreadable"
STUDY_COLUMNS = "study patient_id sex age view source images unreadable status gate reason seconds files_sha256".split()
SLICE_COLUMNS = "study patient_id image position_mm".split()
KEY = "bundle_and_manifest"


@dataclass(frozen=True)
class Outcome:
    """One study."""

    study: str
    patient: str
    sex: str
    age_years: float
    view: str
    source: str
    images: int
    unreadable: int
    """Files that were left out."""
    status: str
    gate: str
    """That stopped it, with its sentence."""
    reason: str
    seconds: float
    files_sha256: str
    labels: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    """Probabilities by finding; none where it was not scored."""
    acts: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class SliceOutcome:
    """One slice of a scored series."""

    study: str
    patient: str
    image: str
    """As the manifest names it; of a volume in one file with the slice's place."""
    position_mm: float
    labels: Mapping[str, float]
    """Unknown throughout where the manifest speaks of the whole study."""
    scores: Mapping[str, float]


def outcome_of(study: Study, request: Request, screening: StudyScreening, findings: Sequence[str]) -> Outcome:
    """Of a study that was screened."""
    header, first, row = request.to_screen.study, request.to_screen.instances[0].header, study.rows[0]
    stop = None if screening.findings else why(screening)
    return Outcome(
        study=study.name,
        patient=row.patient,
        sex=row.sex or header.patient_sex,
        age_years=row.age_years if row.age_years == row.age_years else (header.age_years or UNKNOWN),
        view=row.view or first.view_position,
        source=row.source,
        images=sum(one.header.frames for one in request.to_screen.instances),
        unreadable=len(request.faults),
        status=SCORED if screening.findings else STOPPED,
        gate=stop.gate if stop else "",
        reason=stop.sentence if stop else "",
        seconds=screening.seconds["total"],
        files_sha256=study.sha256(),
        labels=labels_of(study, findings),
        scores={one.finding: one.probability for one in screening.findings},
        acts={one.finding: one.positive for one in screening.findings},
    )


def unreadable(study: Study, sentence: str, findings: Sequence[str]) -> Outcome:
    """Of a study none of whose files could be read."""
    row = study.rows[0]
    return Outcome(
        study=study.name,
        patient=row.patient,
        sex=row.sex,
        age_years=row.age_years,
        view=row.view,
        source=row.source,
        images=0,
        unreadable=len(study.members),
        status=UNREADABLE,
        gate="readable",
        reason=sentence,
        seconds=0.0,
        files_sha256=study.sha256(),
        labels=labels_of(study, findings),
    )


def labels_of(study: Study, findings: Sequence[str]) -> dict[str, float]:
    """What its rows say together."""
    return {finding: known([row.labels[finding] for row in study.rows]) for finding in findings}


def why(screening: StudyScreening) -> GateResult | None:
    """The gate that stopped the study's first series or image."""
    return next((gate for one in screening.judged if (gate := first_stop(one.gates)) is not None), None)


def slices_of(study: Study, request: Request, screening: StudyScreening) -> list[SliceOutcome]:
    """Of each series that was scored."""
    found = []
    files = Counter(one.row.line for one in study.members)
    frames = {one.header.sop_instance_uid: one.header.frames for one in request.to_screen.instances}
    for volume in screening.volumes:
        for place, one in enumerate(volume.slices, start=1):
            row = request.rows[one.sop_instance_uid]
            alone = files[row.line] == 1 and frames[one.sop_instance_uid] == 1
            found.append(
                SliceOutcome(
                    study=study.name,
                    patient=row.patient,
                    image=row.image if alone else f"{row.image} slice {place}",
                    position_mm=one.position_mm,
                    labels=row.labels if alone else dict.fromkeys(row.labels, UNKNOWN),
                    scores=dict(zip(volume.findings, one.probabilities, strict=True)),
                )
            )
    return found


@dataclass
class Record:
    """scores.csv and slices.csv of one bundle and manifest; use as a context manager while studies are added."""

    folder: Path
    findings: tuple[str, ...]
    key: str
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """By patient and study."""
    slices: dict[tuple[str, str], list[SliceOutcome]] = field(default_factory=dict)
    _files: list[IO[str]] = field(default_factory=list)

    @classmethod
    def open(
        cls, folder: Path, bundle: Path, manifest_sha256: str, software: Mapping[str, str], findings: Sequence[str]
    ) -> "Record":
        """What is there of this very bundle, manifest and software; anything else in the files is replaced."""
        made_by = json.dumps([manifest_sha256, software], sort_keys=True)
        whole = hashlib.sha256((bundle / MANIFEST).read_bytes() + made_by.encode()).hexdigest()
        record = cls(folder, tuple(findings), whole[:32])
        for row in read_rows(folder / "scores.csv", record.key):
            outcome = record.outcome(row)
            record.outcomes[outcome.patient, outcome.study] = outcome
        for row in read_rows(folder / "slices.csv", record.key):
            one = record.slice(row)
            if (one.patient, one.study) in record.outcomes:
                record.slices.setdefault((one.patient, one.study), []).append(one)
        return record

    def keep(self, studies: Iterable[Study]) -> None:
        """Forgets what is not of these studies' very files."""
        wanted = {(study.rows[0].patient, study.name): study for study in studies}
        for key, outcome in list(self.outcomes.items()):
            if key not in wanted or wanted[key].sha256() != outcome.files_sha256:
                del self.outcomes[key]
                self.slices.pop(key, None)

    def add(self, outcome: Outcome, slices: Sequence[SliceOutcome]) -> None:
        """Writes a study down, its slices first, for the study says that they are there."""
        key = (outcome.patient, outcome.study)
        self.outcomes[key], self.slices[key] = outcome, list(slices)
        self._write(outcome, slices)

    def __enter__(self) -> "Record":
        self.folder.mkdir(parents=True, exist_ok=True)
        each = [f"{part}_{finding}" for finding in self.findings for part in ("label", "score", "acts")]
        of_slices = [name for name in each if not name.startswith("acts")]
        for name, columns in (("scores.csv", [*STUDY_COLUMNS, *each]), ("slices.csv", [*SLICE_COLUMNS, *of_slices])):
            file = (self.folder / f"{name}.part").open("w", newline="", encoding="utf-8")
            csv.writer(file).writerow([*columns, KEY])
            self._files.append(file)
        for key, outcome in self.outcomes.items():
            self._write(outcome, self.slices.get(key, ()))
        for opened in self._files:
            Path(opened.name).replace(self.folder / Path(opened.name).stem)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        self._files = []
        if not any(self.slices.values()):
            (self.folder / "slices.csv").unlink(missing_ok=True)

    def _write(self, outcome: Outcome, slices: Sequence[SliceOutcome]) -> None:
        of_studies, of_slices = self._files
        writer = csv.writer(of_slices)
        for one in slices:
            fields = [one.study, one.patient, one.image, one.position_mm]
            for finding in self.findings:
                fields += [written(one.labels.get(finding)), written(one.scores.get(finding))]
            writer.writerow([*fields, self.key])
        of_slices.flush()
        csv.writer(of_studies).writerow([*self._fields(outcome), self.key])
        of_studies.flush()

    def _fields(self, one: Outcome) -> list[object]:
        fields: list[object] = [one.study, one.patient, one.sex, written(one.age_years), one.view, one.source]
        fields += [one.images, one.unreadable, one.status, one.gate, one.reason, one.seconds, one.files_sha256]
        for finding in self.findings:
            acts = "" if finding not in one.acts else int(one.acts[finding])
            fields += [written(one.labels.get(finding)), written(one.scores.get(finding)), acts]
        return fields

    def outcome(self, row: Mapping[str, str]) -> Outcome:
        """A row of scores.csv."""
        return Outcome(
            study=row["study"],
            patient=row["patient_id"],
            sex=row["sex"],
            age_years=number(row["age"]),
            view=row["view"],
            source=row["source"],
            images=int(row["images"]),
            unreadable=int(row["unreadable"]),
            status=row["status"],
            gate=row["gate"],
            reason=row["reason"],
            seconds=float(row["seconds"]),
            files_sha256=row["files_sha256"],
            labels={finding: number(row[f"label_{finding}"]) for finding in self.findings},
            scores={f: number(row[f"score_{f}"]) for f in self.findings if row[f"score_{f}"]},
            acts={f: row[f"acts_{f}"] == "1" for f in self.findings if row[f"acts_{f}"]},
        )

    def slice(self, row: Mapping[str, str]) -> SliceOutcome:
        """A row of slices.csv."""
        return SliceOutcome(
            study=row["study"],
            patient=row["patient_id"],
            image=row["image"],
            position_mm=float(row["position_mm"]),
            labels={finding: number(row[f"label_{finding}"]) for finding in self.findings},
            scores={finding: number(row[f"score_{finding}"]) for finding in self.findings},
        )


def read_rows(path: Path, key: str) -> list[dict[str, str]]:
    """The whole rows of that key. Raises TriageError where the file is there and is no table."""
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if row.get(KEY) == key]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TriageError(f"{path} cannot be read ({error}); give another --out") from error


def written(value: float | None) -> str:
    """A number so that it comes back as it was; empty for none."""
    return "" if value is None or value != value else repr(float(value))


def number(value: str) -> float:
    """NaN for an empty field."""
    return float(value) if value else UNKNOWN
