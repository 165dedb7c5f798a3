"""What arrived? Files, folders and zip archives become instances in the store; each file gets one report.

Every file goes the same way, from the browser and from the command line: a private copy in the spool, its hash, its
kind, its header, and then the store, which acknowledges only what a power cut no longer loses.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from data_schemas.errors import NotFound, RefusedFile
from data_schemas.urgency import Level
from data_schemas.worklist import FileReport, IntakeOutcome
from triage.images.headers import read_header
from triage.intake.archive import members
from triage.intake.limits import MIB, IntakeLimits
from triage.intake.sniff import Kind, kind_of
from triage.store import Store
from triage.store.receive import complete, note_refusal, receive
from triage.store.studies import stored_instance

CHUNK = MIB
WORDS = {
    IntakeOutcome.NEW: "taken in",
    IntakeOutcome.DUPLICATE: "already here, the very same file",
    IntakeOutcome.CONFLICT: (
        "another file with the same SOP Instance UID is already here; this one was refused, and both hashes are in "
        "the trail"
    ),
}


@dataclass(frozen=True)
class Sender:
    """What all files of one upload have in common."""

    ordered_priority: Level | None
    """For studies whose header states none."""
    source: str
    """The way it came: command line, browser."""
    actor: str
    quiet_s: float = 0.0
    """How long a study waits for its next slice."""
    nifti_modality: str = ""
    """What made NIfTI volumes, which do not say it themselves."""


def take_in(
    paths: Iterable[Path], *, store: Store, spool: Path, limits: IntakeLimits, sender: Sender
) -> Iterator[FileReport]:
    """Files, folders and archives of this machine, which stay as they are; one report a file, as it is done."""
    spool.mkdir(parents=True, exist_ok=True)
    for number, (path, name) in enumerate(files_of(paths), start=1):
        if number > limits.max_files:
            sentence = f"and every file after it was left out: the limit is {limits.max_files:,} files at a time"
            yield refused(store, name, sentence, sender)
            return
        try:
            spooled = copied(path, spool, limits)
        except RefusedFile as refusal:
            yield refused(store, name, refusal.sentence, sender)
            continue
        yield from take_in_file(spooled, name, store=store, spool=spool, limits=limits, sender=sender)


def take_in_file(
    spooled: Path, name: str, *, store: Store, spool: Path, limits: IntakeLimits, sender: Sender
) -> Iterator[FileReport]:
    """One file that lies in the spool already and belongs to us: it is moved into the store or removed.

    An archive gives one report for each member, and brings its studies whole.
    """
    try:
        kind = kind_of(spooled)
        if kind is not Kind.ARCHIVE:
            yield take_in_image(spooled, kind, name, store, limits, sender)
            return
        whole = []
        for member, unpacked in members(spooled, spool, limits):
            report = take_in_member(unpacked, f"{name}: {member}", store, limits, sender)
            whole += [report.study_instance_uid] if report.accepted else []
            yield report
        complete(store, whole)
    except RefusedFile as refusal:
        yield refused(store, name, refusal.sentence, sender)
    finally:
        spooled.unlink(missing_ok=True)


def take_in_member(
    unpacked: Path | RefusedFile, name: str, store: Store, limits: IntakeLimits, sender: Sender
) -> FileReport:
    """One member of an archive; archives inside archives are not opened."""
    if isinstance(unpacked, RefusedFile):
        return refused(store, name, unpacked.sentence, sender)
    try:
        kind = kind_of(unpacked)
        if kind is Kind.ARCHIVE:
            return refused(store, name, "an archive inside an archive; unpack it first", sender)
        return take_in_image(unpacked, kind, name, store, limits, sender)
    except RefusedFile as refusal:
        return refused(store, name, refusal.sentence, sender)
    finally:
        unpacked.unlink(missing_ok=True)


def take_in_image(
    spooled: Path, kind: Kind, name: str, store: Store, limits: IntakeLimits, sender: Sender
) -> FileReport:
    """One DICOM or NIfTI file of the spool. Raises RefusedFile."""
    if kind is Kind.DICOM:
        return take_in_instance(spooled, name, store, limits, sender)
    # nibabel takes half a second to import; only volumes need it.
    from triage.intake.nifti import as_dicom, origin_of

    origin = origin_of(spooled, name, sender.nifti_modality)
    with suppress(NotFound):
        here = stored_instance(store, origin.uid("instance"))
        return report_of(name, here.header.study_instance_uid, IntakeOutcome.DUPLICATE)
    require_room(spooled.parent, spooled.stat().st_size, limits)
    converted = as_dicom(origin, spooled.parent, limits.read)
    try:
        return take_in_instance(converted, name, store, limits, replace(sender, quiet_s=0.0))
    finally:
        converted.unlink(missing_ok=True)


def take_in_instance(spooled: Path, name: str, store: Store, limits: IntakeLimits, sender: Sender) -> FileReport:
    """One DICOM file of the spool. Raises RefusedFile."""
    require_room(spooled.parent, 0, limits)
    study, instance = read_header(spooled, limits=limits.read)
    outcome = receive(
        store,
        study,
        instance,
        spooled,
        sha256_of(spooled),
        ordered_priority=sender.ordered_priority,
        source=sender.source,
        actor=sender.actor,
        quiet_s=sender.quiet_s,
    )
    return report_of(name, study.study_instance_uid, outcome)


def report_of(name: str, study_uid: str, outcome: IntakeOutcome) -> FileReport:
    """What became of a file that belongs to a study."""
    return FileReport(
        file=name,
        accepted=outcome is not IntakeOutcome.CONFLICT,
        sentence=WORDS[outcome],
        study_instance_uid=study_uid,
        outcome=outcome,
    )


def refused(store: Store, name: str, sentence: str, sender: Sender) -> FileReport:
    """The report of a file that was not taken in, which is in the trail as well."""
    note_refusal(store, name, sentence, source=sender.source, actor=sender.actor)
    return FileReport(file=name, accepted=False, sentence=sentence)


def files_of(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Every file below the paths, in a fixed order, with the name a person knows it by."""
    for path in paths:
        if not path.is_dir():
            yield path, str(path)
            continue
        for folder, subfolders, names in os.walk(path):
            subfolders.sort()
            for name in sorted(names):
                yield Path(folder) / name, str(Path(folder) / name)


def copied(path: Path, spool: Path, limits: IntakeLimits) -> Path:
    """A private copy in the spool. Raises RefusedFile, in words, when the file cannot be read or the disk is full."""
    if not path.exists():
        raise RefusedFile("does not exist")
    if not path.is_file():
        raise RefusedFile("is not a file")
    size = path.stat().st_size
    if size > limits.max_file_bytes:
        raise RefusedFile(f"larger than the limit of {limits.max_file_bytes // MIB:,} MiB")
    require_room(spool, size, limits)
    with NamedTemporaryFile(dir=spool, suffix=".part", delete=False) as target:
        try:
            with path.open("rb") as source:
                shutil.copyfileobj(source, target, CHUNK)
        except OSError as error:
            Path(target.name).unlink(missing_ok=True)
            raise RefusedFile(f"cannot be read ({(error.strerror or 'input error').lower()})") from error
    return Path(target.name)


def require_room(folder: Path, size: int, limits: IntakeLimits) -> None:
    """Raises RefusedFile when the disk would be fuller than allowed with `size` more bytes."""
    if shutil.disk_usage(folder).free - size < limits.min_free_bytes:
        raise RefusedFile(
            f"the disk has less than {limits.min_free_bytes // MIB:,} MiB left; make room and send it again"
        )


def sha256_of(path: Path) -> str:
    """Of the file's bytes as they came."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
