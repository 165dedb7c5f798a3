"""How the command line tells what it found: a table for people, JSON for scripts, a bar while something is done."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from data_schemas.gate import GateOutcome
from data_schemas.worklist import FileReport, StudyRecord, WorklistRow

if TYPE_CHECKING:
    from data_schemas.score import FindingScore, VolumeScreening
    from triage.store import Store


def refusal(report: FileReport) -> dict[str, str]:
    """A refused file as JSON."""
    return {"file": report.file, "refused": report.sentence}


def print_json(value: dict[str, Any]) -> None:
    """One object on one line of standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def row_as_json(row: WorklistRow, record: StudyRecord) -> dict[str, Any]:
    """A row of the reading list as scripts read it."""
    screening = record.screening
    bundle = screening.bundle if screening else None
    return {
        "position": row.position,
        "study_instance_uid": row.study.study_instance_uid,
        "level": row.urgency.level,
        "ordered_priority": row.ordered_priority,
        "screening_status": row.status,
        "reason": row.urgency.reason,
        "findings": [finding_as_json(f) for f in row.findings],
        "bundle": bundle.name if bundle else None,
        "bundle_version": bundle.version if bundle else None,
        "seconds": screening.seconds.get("total") if screening else None,
        "series": [series_as_json(volume) for volume in screening.volumes] if screening else [],
    }


def series_as_json(volume: "VolumeScreening") -> dict[str, Any]:
    """A series of slices: what it is, what its gates said, and why another one was taken where that is so."""
    gates = (gate.model_dump(mode="json") for gate in volume.gates if gate.outcome is not GateOutcome.PASSED)
    return {
        "series_instance_uid": volume.series_instance_uid,
        "scored": bool(volume.scores),
        "not_taken": volume.not_taken,
        "facts": volume.facts.model_dump(mode="json") if volume.facts else None,
        "gates": list(gates),
    }


def finding_as_json(score: "FindingScore") -> dict[str, Any]:
    """A score as scripts read it; `set_by_site` only where its operating point was this site's own."""
    told = score.model_dump(mode="json", exclude={"label"})
    return told if score.set_by_site else {name: value for name, value in told.items() if name != "set_by_site"}


def print_rows(rows: Sequence[WorklistRow], store: "Store", as_json: bool) -> None:
    """The reading order, as a table or as JSON lines."""
    if as_json:
        from triage.store.studies import study_record

        for row in rows:
            print_json(row_as_json(row, study_record(store, row.study.study_instance_uid)))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "level", "why", "patient", "study", "status"):
        table.add_column(heading, justify="right" if not heading else "left", overflow="fold")
    for row in rows:
        study = row.study
        patient = f"{study.patient_name} {study.patient_id}".strip() or "no name"
        what = f"{row.modality} {study.study_description}".strip()
        table.add_row(str(row.position), row.urgency.level, row.urgency.reason, patient, what, row.status)
    Console().print(table)


def print_queued(queued: Mapping[str, int], dry_run: bool, as_json: bool) -> None:
    """How many studies were queued to be screened again, or would be, for which reason."""
    for why, number in queued.items():
        if as_json:
            print_json({"studies": number, "why": why, "queued": not dry_run})
        else:
            typer.echo(f"{studies_in_words(number)} {'to queue' if dry_run else 'queued'}: {why}")
    if not queued and not as_json:
        typer.echo("no study to queue: results are by what is in force, or new ones are on their way")


def studies_in_words(number: int) -> str:
    """A number of studies."""
    return f"{number:,} {'study' if number == 1 else 'studies'}"


@contextmanager
def progress(words: str, total: int | None) -> Iterator[Any]:
    """A progress bar on standard error where that is a terminal; gives the function that moves it by one."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=total)
        yield lambda: bar.advance(task)
