"""The command line: what people and scripts ask of Triage. Every answer also comes as JSON, one object a line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_schemas.errors import SettingsError, TriageError
from data_schemas.urgency import Level
from data_schemas.worklist import FileReport, WorklistRow
from triage.output import print_json, print_queued, print_rows, progress, refusal, studies_in_words
from triage.settings import Settings, load_settings

if TYPE_CHECKING:
    from data_schemas.bundle import FindingSpec
    from triage.store import Store

app = typer.Typer(
    help="Imaging studies in, a reading order out that can be defended. Research use, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="The model bundles: what each may speak about, and whether it may be used.")
audit_app = typer.Typer(help="The trail of everything that was done and shown.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(audit_app, name="audit")

Home = Annotated[Path | None, typer.Option("--home", help="Folder of database and files (else TRIAGE_HOME).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]
ACTOR = "command line"


def settings_for(home: Path | None) -> Settings:
    """Settings with the home folder of the command line first."""
    return load_settings(home=home.absolute()) if home is not None else load_settings()


@app.command()
def screen(
    paths: Annotated[
        list[Path], typer.Argument(help="Files, folders or zip archives of DICOM images and NIfTI volumes.")
    ],
    priority: Annotated[
        Level | None, typer.Option(help="Ordered priority for studies whose header states none.", case_sensitive=False)
    ] = None,
    nifti_modality: Annotated[
        str, typer.Option(help="Modality of NIfTI volumes, such as CT (else TRIAGE_NIFTI_MODALITY).")
    ] = "",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take studies in, screen them, and print them in reading order.

    Files that are not taken in are named with the reason. A study that no model may speak about keeps its place and
    says why. The exit code is 0 also then.
    """
    from triage.assembly import open_site
    from triage.worker import work_until_done

    settings = settings_for(home)
    store = open_site(settings)
    reports = received(store, settings, paths, priority, nifti_modality)
    uids = list(dict.fromkeys(report.study_instance_uid for report in reports if report.accepted))
    for report in reports:
        if not report.accepted:
            print_json(refusal(report)) if as_json else typer.echo(f"{report.file}: {report.sentence}", err=True)
    with progress("Screening", len(uids)) as step:
        work_until_done(store, settings, uids, on_done=step)
    print_rows([row for row in all_rows(store) if row.study.study_instance_uid in set(uids)], store, as_json)


def received(
    store: "Store", settings: Settings, paths: Sequence[Path], priority: Level | None, nifti_modality: str = ""
) -> list[FileReport]:
    """Takes every file in; what the worker must do then stands in the store."""
    from triage.assembly import intake_limits
    from triage.intake.take_in import Sender, take_in
    from triage.store.receive import complete

    sender = Sender(
        ordered_priority=priority,
        source="command line",
        actor=ACTOR,
        quiet_s=settings.quiet_seconds,
        nifti_modality=(nifti_modality or settings.nifti_modality).upper(),
    )
    reports = []
    with progress("Taking in", None) as step:
        for report in take_in(paths, store=store, spool=settings.spool, limits=intake_limits(settings), sender=sender):
            reports.append(report)
            step()
    complete(store, [report.study_instance_uid for report in reports if report.accepted])
    return reports


@app.command()
def worklist(
    limit: Annotated[int, typer.Option(min=1, help="How many studies at the most.")] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The reading list: unread studies, the next to read first."""
    from triage.assembly import open_site
    from triage.store.worklist import worklist_page

    store = open_site(settings_for(home))
    print_rows(worklist_page(store, offset=0, limit=limit), store, as_json)


@app.command()
def explain(
    study_uid: Annotated[str, typer.Argument(help="Study Instance UID.")],
    out: Annotated[Path, typer.Option(help="Folder for overlays (.png) and maps (.npy; .nii.gz of a series).")],
    finding: Annotated[str | None, typer.Option(help="Finding to explain; the study's leading one by default.")] = None,
    method: Annotated[str, typer.Option(help="gradcam or saliency.")] = "gradcam",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write where the model looked: an overlay on the original image, and the map on its own grid."""
    from triage.assembly import Screener, open_site
    from triage.explanations import write_explanations

    settings = settings_for(home)
    store = open_site(settings)
    with Screener(settings) as screener:
        for written in write_explanations(store, screener, study_uid, finding=finding, method=method, out=out):
            line = f"{written['overlay']}: {written['method']} of {written['finding']}"
            print_json(written) if as_json else typer.echo(line)


@app.command()
def rescreen(
    waiting: Annotated[
        bool,
        typer.Option("--waiting", help="Unread ones whose result is by another model or operating point (default)."),
    ] = False,
    study: Annotated[str, typer.Option(help="Only this Study Instance UID, whatever its result.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every study, read ones too, whatever its result.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be queued.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Queue studies to be screened again, by the models and operating points that are in force now.

    Each keeps its place until the new result is there, and its older ones stay in its history. Studies that have no
    result yet go first; one that waits already is not queued twice.

    The worker of `triage up` does the work. It loads the models when it starts: after a change of models start it anew
    first.
    """
    from triage.assembly import manifests_in_force, open_site
    from triage.rescreening import outdated, rescreen_every, rescreen_outdated, rescreen_study
    from triage.store.again import being_screened

    if waiting + bool(study) + everything > 1:
        raise SettingsError("give one of --waiting, --study and --all")
    settings = settings_for(home)
    store = open_site(settings)
    running = being_screened(store)
    if study:
        queued = rescreen_study(store, study, actor=ACTOR, dry_run=dry_run)
    elif everything:
        queued = rescreen_every(store, actor=ACTOR, dry_run=dry_run)
    else:
        groups = outdated(store, manifests_in_force(settings, store))
        queued = rescreen_outdated(store, groups, actor=ACTOR, dry_run=dry_run)
    print_queued(queued, dry_run, as_json)
    if running and not (as_json or study):
        words = "left out, being screened by what was in force when that began: ask again in a while"
        typer.echo(f"{studies_in_words(running)} {words}")


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, home: Home = None, as_json: Json = False) -> None:
    """List the installed bundles with their findings, operating points and evidence."""
    if context.invoked_subcommand is None:
        list_models(settings_for(home), as_json=as_json)


def list_models(settings: Settings, *, as_json: bool) -> None:
    """The bundles as they act here: at this site's own operating points where it set any."""
    from triage.assembly import manifests_in_force, open_site

    for manifest in manifests_in_force(settings, open_site(settings)):
        if as_json:
            own = {f.name: f.set_by_site.model_dump(mode="json") for f in manifest.findings if f.set_by_site}
            print_json(manifest.model_dump(mode="json") | {"set_by_site": own})
            continue
        typer.echo(f"{manifest.name} {manifest.version}: {manifest.title}")
        for f in manifest.findings:
            typer.echo(finding_line(f, settings))


def finding_line(f: "FindingSpec", settings: Settings) -> str:
    """A finding with its operating point, its evidence and what a positive one does."""
    effect = f"proposes {f.lifts_to}" if f.lifts_to else "experimental, does not affect order"
    area = f"AUROC {f.evidence.auroc:.2f} ({f.evidence.low:.2f} to {f.evidence.high:.2f})"
    line = f"  {f.label:28} operating point {f.operating_point:.2f}   {area}   {effect}"
    if f.set_by_site is None:
        return line
    when = f"{f.set_by_site.set_at.astimezone(settings.zone):%Y-%m-%d}"
    return f"{line}   set by this site on {when}; the bundle's own {f.set_by_site.own:.2f}"


@models_app.command("set-point")
def models_set_point(
    bundle: Annotated[str, typer.Argument(help="Name of the model, as `triage models` lists it.")],
    finding: Annotated[str, typer.Argument(help="Name of the finding, as `triage models --json` lists it.")],
    point: Annotated[
        float | None, typer.Argument(help="Calibrated probability from which it is positive here.")
    ] = None,
    comment: Annotated[str, typer.Option(help="Why; kept in the trail. Never a patient's name.")] = "",
    reset: Annotated[bool, typer.Option("--reset", help="Take this site's point back for the bundle's own.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Set the operating point that a finding has here, for studies screened from now on.

    The point holds for the weights that are installed now: a new version of the bundle starts with its own points. An
    experimental finding stays one. Set and reset are in the trail, with the comment.
    """
    from triage.assembly import manifest_of, manifests_in_force, open_site
    from triage.rescreening import outdated
    from triage.store.operating_points import set_point

    if reset == (point is not None):
        raise SettingsError("give either a point or --reset")
    settings = settings_for(home)
    manifest, store = manifest_of(settings, bundle), open_site(settings)
    try:
        set_point(store, manifest, finding, point, actor=ACTOR, comment=comment)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    list_models(settings, as_json=as_json)
    if number := sum(group.studies for group in outdated(store, manifests_in_force(settings, store))):
        words = "not read yet with results by what is no longer in force; `triage rescreen` queues them again"
        typer.echo(f"{studies_in_words(number)} {words}", err=True)


@models_app.command("verify")
def models_verify(home: Home = None, as_json: Json = False) -> None:
    """Check every bundle: hashes, schema, evidence, and the test vector through each runtime. Exit 1 on any fault."""
    from triage.assembly import bundle_folders
    from triage.models.bundle import verify_bundle

    settings = settings_for(home)
    sound = True
    for folder in bundle_folders(settings):
        try:
            verify_bundle(folder, settings.cache)
            fault = ""
        except TriageError as error:
            fault, sound = error.sentence, False
        if as_json:
            print_json({"bundle": folder.name, "verified": not fault, "fault": fault})
        else:
            typer.echo(f"{folder.name}: {fault or 'verified'}")
    if not sound:
        raise typer.Exit(1)


@audit_app.command("verify")
def audit_verify(home: Home = None, as_json: Json = False) -> None:
    """Check the hash chain of the trail. Exit 1 where it is broken."""
    from triage.assembly import open_site
    from triage.store.trail import verify

    verdict = verify(open_site(settings_for(home)))
    if as_json:
        print_json({"intact": verdict.intact, "entries": verdict.entries, "first_broken": verdict.first_broken})
    else:
        typer.echo(verdict.sentence)
    if not verdict.intact:
        raise typer.Exit(1)


@app.command()
def demo(home: Home = None, as_json: Json = False) -> None:
    """Draw phantom studies, marked PHANTOM wherever a person looks, and screen them."""
    with phantoms() as folder:
        screen([folder], priority=None, home=home, as_json=as_json)


@contextmanager
def phantoms() -> Iterator[Path]:
    """A folder of phantom studies, while it is needed."""
    from tempfile import TemporaryDirectory

    from triage.phantoms.files import write_phantoms

    with TemporaryDirectory() as folder:
        write_phantoms(Path(folder))
        yield Path(folder)


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port of the page (else TRIAGE_PORT).")] = None,
    with_demo: Annotated[bool, typer.Option("--demo", help="Take phantom studies in when the list is empty.")] = False,
    home: Home = None,
) -> None:
    """Start the page and its worker, and say the address."""
    from triage.assembly import open_site
    from triage.store.worklist import worklist_page
    from triage.web.serve import serve

    settings = settings_for(home)
    store = open_site(settings)
    if with_demo and not worklist_page(store, offset=0, limit=1):
        with phantoms() as folder:
            received(store, settings, [folder], None)
    store.engine.dispose()
    serve(settings, port or settings.port)


@app.command(hidden=True)
def worker(home: Home = None) -> None:
    """Screen what waits until the standard input ends; the page starts one of these."""
    from triage.assembly import open_site
    from triage.worker import run_worker

    settings = settings_for(home)
    run_worker(open_site(settings), settings)


def all_rows(store: "Store") -> Iterator[WorklistRow]:
    """The whole reading list, page by page."""
    from triage.store.worklist import worklist_page

    offset = 0
    while page := worklist_page(store, offset=offset, limit=500):
        yield from page
        offset += len(page)


def main() -> None:
    """Entry point: an error a person can cause is one sentence and exit code 2."""
    try:
        app()
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise SystemExit(2) from error
