"""The bundles as datasheets: what each is for, on whom it was measured, where it must not be used."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import streamlit as st

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from data_schemas.operating_point import SitePoint
from triage.assembly import bundle_folders
from triage.models.bundle import read_manifest
from triage.models.site_points import at_points
from triage.rescreening import Outdated, outdated
from triage.store.lookup import newest_result
from triage.store.operating_points import site_points
from triage.ui import curves, datasheet, evidence, explorer, rescreen
from triage.ui.components import part
from triage.ui.evaluated import Evaluated, Shown, read_figures
from triage.ui.site import place as place_of_site
from triage.ui.site import settings, store
from triage.web.words import Say, say_in


def page() -> None:
    """One datasheet after the other."""
    here = settings()
    say, folders = say_in(here.language), bundle_folders(here)
    if not folders:
        st.html(f'<div class="t-empty"><p>{escape(say("models.none"))}</p></div>')
    read = {folder: manifest_or_fault(folder) for folder in folders}
    points = site_points(store())
    in_force = {f.name: at_points(one, points) for f, one in read.items() if isinstance(one, BundleManifest)}
    groups = outdated(store(), list(in_force.values()))
    if len(in_force) > 1:
        st.html(f'<div class="t-sheet t-first">{datasheet.overview(in_force, say)}</div>')
    for folder, found in read.items():
        if isinstance(found, BundleManifest):
            sheet(folder, found, points, groups, say)
        else:
            fault = escape(say("models.not_in_use", why=found.sentence))
            st.html(f'<div class="t-sheet"><h2>{escape(folder.name)}</h2><p>{fault}</p></div>')


def manifest_or_fault(folder: Path) -> BundleManifest | BundleError:
    """The folder's manifest, or why it cannot be used."""
    try:
        return read_manifest(folder)
    except BundleError as error:
        return error


def sheet(
    folder: Path, manifest: BundleManifest, points: Sequence[SitePoint], groups: Sequence[Outdated], say: Say
) -> None:
    """One bundle: the most useful picture first, the whole card last."""
    bundle = Evaluated(manifest, read_figures(folder, manifest), say)
    newest = newest_result(store(), manifest.network.weights_sha256)
    verified = datasheet.verification(bundle, folder, newest, settings().zone)
    st.html(
        f'<article class="t-sheet t-part t-first"><h2 id="model-{escape(folder.name)}">{escape(manifest.title)}</h2>'
        f'<p class="t-dim">{escape(manifest.name)} {escape(manifest.version)}</p>{datasheet.summary(bundle)}</article>'
    )
    for place, shown in enumerate(parts_of(bundle, verified)):
        st.html(head(shown))
        drawn(shown, f"plots-{manifest.name}-{place}")
        if place == 0:
            operating_points(bundle, points)
            rescreen.offer(manifest.name, groups, say)
            curves_of_one(bundle)
    card = folder / "CARD.md"
    if card.exists():
        with st.expander(say("models.card")):
            st.markdown(card.read_text(encoding="utf-8"))


def drawn(shown: Shown, key: str) -> None:
    """Plots of a part and the same figures below."""
    if shown.plots:
        part("plots")(key=key, data={"plots": [{"title": title, "svg": svg} for title, svg in shown.plots]})
    if shown.figures:
        st.html(f'<div class="t-sheet t-part">{shown.figures}</div>')


def curves_of_one(bundle: Evaluated) -> None:
    """The curves of a finding that the reader chooses; of all at once there would be dozens."""
    findings = {finding.label: finding for finding in curves.with_curves(bundle)}
    if not findings:
        return
    say, name = bundle.say, bundle.manifest.name
    st.html(head(Shown(say("models.curves"), say("models.curves_desc"))))
    with st.container(horizontal=True):
        chosen = st.selectbox(say("models.finding"), list(findings), key=f"curves-{name}", width=320)
    drawn(curves.curves(bundle, findings[chosen]), f"plots-{name}-{chosen}")


def operating_points(bundle: Evaluated, points: Sequence[SitePoint]) -> None:
    """The operating points in force here, and what others would mean."""
    say = bundle.say
    words = explorer.in_force(bundle, points, settings().zone)
    st.html(head(Shown(say("explorer.title"), words)))
    if explorer.explorable(bundle):
        part("explorer")(
            key=f"explorer-{bundle.manifest.name}",
            data={**explorer.told(bundle, points), **place_of_site()},
            on_saved_change=lambda: None,
        )
    else:
        st.html(f'<div class="t-sheet t-part"><p>{escape(say("explorer.no_curve"))}</p></div>')


def parts_of(bundle: Evaluated, verified: str) -> list[Shown]:
    """The sheet below its summary, in the order in which a reader asks."""
    say = bundle.say
    found = (
        evidence.evidence(bundle),
        Shown(say("models.verification"), figures=verified),
        Shown(say("models.gates"), figures=datasheet.gates(bundle)),
        evidence.stopped(bundle),
        curves.points(bundle),
        evidence.measures(bundle),
        evidence.groups(bundle),
        Shown(say("models.background"), figures=datasheet.background(bundle)),
    )
    return [shown for shown in found if shown is not None]


def head(shown: Shown) -> str:
    """The part's name and what it shows."""
    words = f'<p class="t-dim">{escape(shown.description)}</p>' if shown.description else ""
    return f'<div class="t-sheet t-part"><h3>{escape(shown.title)}</h3>{words}</div>'
