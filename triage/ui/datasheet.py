"""A bundle's datasheet in words: what it is for and not for, its limits, what may lift urgency, whether it verifies."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from zoneinfo import ZoneInfo

from data_schemas.bundle import EVIDENCE_FLOOR, BundleManifest
from data_schemas.errors import BundleError
from triage.models.bundle import read_checked
from triage.ui.evaluated import Evaluated, share, table
from triage.web.words import Say

Facts = Sequence[tuple[str, str]]


def overview(bundles: Mapping[str, BundleManifest], say: Say) -> str:
    """Every bundle, by its folder's name, in a line that leads to its sheet."""
    names = "".join(f'<th scope="col">{escape(say(f"models.{one}"))}</th>' for one in ("model", "takes", "lifts"))
    rows = "".join(
        f'<tr><td><a href="#model-{escape(folder)}">{escape(one.title)}</a></td>'
        f"<td>{escape(listed(one.accepts.modalities, say))}</td><td>{escape(raising(one, say))}</td></tr>"
        for folder, one in bundles.items()
    )
    return f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"


def summary(bundle: Evaluated) -> str:
    """What must be known first."""
    say, manifest = bundle.say, bundle.manifest
    facts = (
        ("for", manifest.purpose),
        ("not_for", manifest.not_for),
        ("takes", taken(manifest, say)),
        ("measured_on", measured_on(bundle)),
        ("lifts", lifting(manifest, say)),
        ("experimental", experimental(manifest, say)),
        *alarms(bundle),
    )
    return described(say, facts)


def background(bundle: Evaluated) -> str:
    """Where it comes from."""
    say, manifest = bundle.say, bundle.manifest
    network = say(
        "models.network_words", name=manifest.network.name, width=manifest.prepare.width, height=manifest.prepare.height
    )
    facts = (
        ("network", network),
        ("origin", manifest.origin),
        ("licence", manifest.licence),
        ("weights", manifest.network.weights_sha256),
    )
    return described(say, facts)


def described(say: Say, facts: Facts) -> str:
    """Names and what is to be said of them; every text is escaped."""
    terms = "".join(f"<dt>{escape(say(f'models.{name}'))}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>{terms}</dl>"


def taken(manifest: BundleManifest, say: Say) -> str:
    """Which images it speaks of."""
    accepts = manifest.accepts
    return say(
        "models.takes_words",
        modalities=listed(accepts.modalities, say),
        body_parts=listed(accepts.body_parts, say),
        views=listed(accepts.views, say),
    )


def measured_on(bundle: Evaluated) -> str:
    """How many images of whom; what a collection does not tell is left out."""
    say, data = bundle.say, bundle.figures.get("data", {})
    if "images" not in data or "patients" not in data:
        return say("models.measured_unknown")
    views = ", ".join(f"{name} {count}" for name, count in data.get("views", {}).items() if name)
    more = []
    if data.get("age_years"):
        youngest, oldest = data["age_years"]
        more.append(say("models.measured_ages", youngest=f"{youngest:.0f}", oldest=f"{oldest:.0f}"))
    if views:
        more.append(say("models.measured_views", views=views))
    if data.get("read_again"):
        more.append(say("models.measured_again", count=data["read_again"]))
    if bundle.figures.get("pooled"):
        more.append(say("models.measured_scans"))
    return say("models.measured_on_words", images=data["images"], patients=data["patients"], more="".join(more))


def lifting(manifest: BundleManifest, say: Say) -> str:
    """Which findings may lift a study, how far, and by which rule."""
    return f"{raising(manifest, say)}. {say('models.lifts_rule', floor=f'{EVIDENCE_FLOOR:.2f}')}"


def raising(manifest: BundleManifest, say: Say) -> str:
    """Which findings may lift a study, and how far."""
    able = [
        say("models.lifts_to", finding=finding.label, level=finding.lifts_to)
        for finding in manifest.findings
        if finding.lifts_to
    ]
    return "; ".join(able) or say("models.lifts_nothing")


def experimental(manifest: BundleManifest, say: Say) -> str:
    """Which findings are shown only, and why."""
    weak = [
        say(
            "models.experimental_because" if finding.proposes else "models.experimental_by_choice",
            finding=finding.label,
            low=f"{finding.evidence.low:.3f}",
        )
        for finding in manifest.findings
        if not finding.may_lift
    ]
    return ", ".join(weak) or say("models.experimental_none")


def alarms(bundle: Evaluated) -> list[tuple[str, str]]:
    """How often it acts, where that was measured."""
    found = bundle.figures.get("alarms", {})
    normal, abnormal = found.get("of_films_without_abnormality"), found.get("of_abnormal_films")
    if normal is None or abnormal is None:
        return []
    return [("alarms", bundle.say("models.alarms_words", normal=share(normal), abnormal=share(abnormal)))]


def gates(bundle: Evaluated) -> str:
    """Each gate that has a limit of this bundle's own."""
    say, accepts, ood = bundle.say, bundle.manifest.accepts, bundle.manifest.ood
    views = listed(accepts.views, say)
    rows = [
        ("modality", listed(accepts.modalities, say)),
        ("body_part", listed(accepts.body_parts, say)),
        ("view", say("models.gate_view_limit", views=views) if accepts.views else views),
        (
            "age",
            say("models.gate_age_limit", low=f"{accepts.min_age_years:g}", high=f"{accepts.max_age_years:g}"),
        ),
        ("size", say("models.gate_size_limit", side=accepts.min_side_px, aspect=f"{accepts.max_aspect:g}")),
        *series(bundle.manifest, say),
        ("pixels", say("models.gate_pixels_limit")),
        (
            "distribution",
            say("models.gate_distribution_limit", threshold=f"{ood.threshold:.2f}", kept=share(ood.kept)),
        ),
    ]
    cells = [(say(f"models.gate_{name}"), limit) for name, limit in rows]
    return table([say("models.gate"), say("models.limit")], cells)


def series(manifest: BundleManifest, say: Say) -> list[tuple[str, str]]:
    """What a series of slices must be, where the bundle reads one."""
    volume = manifest.accepts.volume
    if volume is None:
        return []
    words = say(
        "models.gate_volume_limit",
        plane=" or ".join(volume.orientations) or say("models.any"),
        low=volume.min_slices,
        high=volume.max_slices,
        thin=f"{volume.min_thickness_mm:g}",
        thick=f"{volume.max_thickness_mm:g}",
    )
    return [("volume", words)]


def verification(bundle: Evaluated, folder: Path, newest: datetime | None, zone: ZoneInfo) -> str:
    """What has been checked, here and now and by whom, in plain words."""
    say, fault = bundle.say, fault_of(folder, bundle.manifest)
    first = say("models.hashes_bad", why=fault) if fault else say("models.hashes_good")
    if newest is None:
        scored = say("models.scored_never")
    else:
        scored = say("models.scored_last", when=f"{newest.astimezone(zone):%Y-%m-%d %H:%M}")
    lines = "".join(f"<p>{escape(line)}</p>" for line in (say("models.vector"), scored))
    return f'<p class="t-verified" data-good="{str(not fault).lower()}">{escape(first)}</p>{lines}'


def fault_of(folder: Path, manifest: BundleManifest) -> str:
    """What is wrong with the bundle's files, empty where their hashes are the manifest's."""
    stated = (
        (manifest.network.weights, manifest.network.weights_sha256),
        (manifest.ood.statistics, manifest.ood.statistics_sha256),
        (manifest.test_vector, manifest.test_vector_sha256),
    )
    for name, sha256 in stated:
        fault = checked(folder, name, sha256, stamp(folder / name))
        if fault:
            return fault
    return ""


@lru_cache(maxsize=64)
def checked(folder: Path, name: str, sha256: str, at: tuple[int, int]) -> str:
    """What is wrong with one file, read once for each time it was written."""
    try:
        read_checked(folder, name, sha256)
    except BundleError as error:
        return error.sentence
    return ""


def stamp(path: Path) -> tuple[int, int]:
    """Changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def listed(values: tuple[str, ...], say: Say) -> str:
    """Words for a tuple in which nothing means anything."""
    return ", ".join(values) if values else say("models.any")
