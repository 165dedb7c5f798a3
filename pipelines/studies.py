"""The studies of a manifest, and each of them as screening takes it, whatever kind of file its images are."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from itertools import groupby
from pathlib import Path

import cv2

from data_schemas.bundle import Accepts
from data_schemas.errors import RefusedFile
from data_schemas.study import StoredInstance, StudyHeader, StudyToScreen
from data_schemas.urgency import Level
from pipelines.manifest import Row
from pipelines.wrapped import Picture, wrap
from triage.images.headers import read_header
from triage.images.opening import ReadLimits
from triage.intake.nifti import as_dicom, origin_of
from triage.intake.sniff import Kind, kind_of


class Form(Enum):
    """How an image is stored."""

    PICTURE = "picture"
    DICOM = "DICOM"
    NIFTI = "NIfTI"


@dataclass(frozen=True)
class Member:
    """One file of a study, and the row that names it or its folder."""

    row: Row
    path: Path
    form: Form
    study_uid: str = ""
    """As a DICOM file states it."""


@dataclass(frozen=True)
class Study:
    """The files that are screened together."""

    name: str
    """What tells it from the others of the manifest."""
    members: tuple[Member, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Each row once."""
        return tuple({member.row.line: member.row for member in self.members}.values())

    def sha256(self) -> str:
        """Over the content of its files, in their order."""
        digest = hashlib.sha256()
        for member in self.members:
            digest.update(hashlib.sha256(member.path.read_bytes()).digest())
        return digest.hexdigest()


@dataclass(frozen=True)
class Cohort:
    """All studies of a manifest."""

    studies: tuple[Study, ...]
    faults: tuple[str, ...]
    """A sentence for each file that cannot be used."""


@dataclass(frozen=True)
class Request:
    """A study as screening takes it."""

    to_screen: StudyToScreen
    rows: Mapping[str, Row]
    """By SOP Instance UID."""
    faults: tuple[str, ...] = field(default=())


def studies_of(rows: Sequence[Row], images: Path, accepts: Accepts) -> Cohort:
    """Files by study, in the manifest's order; slices of a study by `slice` where the manifest numbers them.

    Rows of one `study` belong together. Where the manifest names none: DICOM files by their Study Instance UID; the
    pictures of one patient for a bundle that needs several slices; any other file is a study of its own.
    """
    groups: dict[tuple[str, str], list[Member]] = {}
    faults: list[str] = []
    for row in rows:
        for path in files_of(row.path(images)):
            try:
                member = recognised(row, path)
            except RefusedFile as refusal:
                faults.append(f"line {row.line}: {path.name}: {refusal.sentence}")
                continue
            groups.setdefault((row.patient, name_of(member, accepts)), []).append(member)
    named = (
        Study(name, tuple(sorted(members, key=lambda member: in_order(member.row))))
        for (_, name), members in groups.items()
    )
    return Cohort(tuple(named), tuple(faults))


def files_of(path: Path) -> list[Path]:
    """The file itself, or every file of a folder by name."""
    return sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]


def recognised(row: Row, path: Path) -> Member:
    """By the file's content. Raises RefusedFile with one sentence."""
    if not path.is_file():
        raise RefusedFile("is missing")
    if cv2.haveImageReader(str(path)):
        return Member(row, path, Form.PICTURE)
    kind = kind_of(path)
    if kind is Kind.NIFTI:
        return Member(row, path, Form.NIFTI)
    if kind is Kind.ARCHIVE:
        raise RefusedFile("is an archive; unpack it and name its images")
    return Member(row, path, Form.DICOM, read_header(path)[0].study_instance_uid)


def name_of(member: Member, accepts: Accepts) -> str:
    """What the study is called within its patient."""
    row = member.row
    if row.study:
        return row.study
    if member.form is Form.DICOM:
        return member.study_uid
    needs_slices = accepts.volume is not None and accepts.volume.min_slices > 1
    return row.patient if member.form is Form.PICTURE and needs_slices else row.image


def in_order(row: Row) -> float:
    """By the number of the slice; rows without one stay as they are."""
    return row.place if row.place == row.place else 0.0


def request_of(study: Study, accepts: Accepts, folder: Path) -> Request:
    """Headers read, pictures and volumes as DICOM files in `folder`; files that cannot be read are left out.

    Raises RefusedFile where none is left, TriageError where the bundle takes no such images.
    """
    found: list[tuple[Path, Row]] = []
    faults: list[str] = []
    for form, group in groupby(study.members, key=lambda member: member.form):
        members = list(group)
        if form is Form.PICTURE:
            written, unreadable = wrap([Picture(one.row, one.path) for one in members], accepts, folder)
            found += written
            faults += unreadable
        elif form is Form.DICOM:
            found += [(one.path, one.row) for one in members]
        else:
            found += list(converted(members, accepts, folder, faults))
    if not found:
        raise RefusedFile("; ".join(faults))
    return read(found, faults)


def converted(
    members: Sequence[Member], accepts: Accepts, folder: Path, faults: list[str]
) -> Iterator[tuple[Path, Row]]:
    """NIfTI volumes as intake turns them; a sentence is added to `faults` for one that cannot be."""
    for one in members:
        try:
            yield as_dicom(origin_of(one.path, one.path.name, accepts.modalities[0]), folder, ReadLimits()), one.row
        except RefusedFile as refusal:
            faults.append(f"line {one.row.line}: {one.path.name}: {refusal.sentence}")


def read(found: Sequence[tuple[Path, Row]], faults: Sequence[str] = ()) -> Request:
    """The request of DICOM files; what the first says of patient and study counts."""
    study: StudyHeader | None = None
    instances, rows = [], {}
    for path, row in found:
        said, header = read_header(path)
        study = study or said
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        instances.append(
            StoredInstance(header=header, sha256=sha256, size_bytes=size, path=path, received_at=datetime.now(UTC))
        )
        rows[header.sop_instance_uid] = row
    assert study is not None  # there is a file
    to_screen = StudyToScreen(study=study, ordered_priority=Level.ROUTINE, instances=tuple(instances))
    return Request(to_screen, rows, tuple(faults))
