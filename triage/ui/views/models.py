"""The bundles as datasheets: what each is for, on whom it was measured, where it must not be used."""

from html import escape

import streamlit as st

from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.errors import BundleError
from triage.assembly import bundle_folders
from triage.models.bundle import read_manifest
from triage.ui.site import settings


def page() -> None:
    """One datasheet after the other."""
    folders = bundle_folders(settings())
    if not folders:
        st.html(
            '<div class="t-empty"><p>No model bundle is installed, so nothing is scored. '
            "Set TRIAGE_BUNDLES to a folder of bundles and start Triage again.</p></div>"
        )
    for folder in folders:
        try:
            st.html(datasheet(read_manifest(folder)))
            card = folder / "CARD.md"
            if card.exists():
                with st.expander("The whole model card"):
                    st.markdown(card.read_text(encoding="utf-8"))
        except BundleError as error:
            st.html(
                f'<div class="t-sheet"><h2>{escape(folder.name)}</h2><p>Not in use: {escape(error.sentence)}</p></div>'
            )


def datasheet(manifest: BundleManifest) -> str:
    """The whole sheet as HTML; every text is escaped."""
    accepts = manifest.accepts
    facts = (
        ("For", manifest.purpose),
        ("Not for", manifest.not_for),
        ("Reads", f"{listed(accepts.modalities)}; {listed(accepts.body_parts)}; views {listed(accepts.views)}"),
        ("Age", f"{accepts.min_age_years:g} to {accepts.max_age_years:g} years"),
        ("Network", f"{manifest.network.name}, {manifest.prepare.width} x {manifest.prepare.height} px input"),
        ("Stops unfamiliar images", f"keeps {manifest.ood.kept:.1%} of held-out images of its kind"),
        ("Origin", manifest.origin),
        ("Licence", manifest.licence),
        ("Weights SHA-256", manifest.network.weights_sha256),
    )
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    head = "".join(
        f"<th{' class=num' if number else ''}>{name}</th>"
        for name, number in (
            ("Finding", False), ("Proposes", False), ("Acts from", True), ("AUROC", True),
            ("95 % interval", False), ("Positives", True), ("Negatives", True), ("How measured", False),
        )
    )  # fmt: skip
    rows = "".join(finding_row(finding) for finding in manifest.findings)
    return (
        f'<section class="t-sheet"><h2>{escape(manifest.title)}</h2>'
        f'<p class="t-dim">{escape(manifest.name)} {escape(manifest.version)}</p>'
        f"<dl>{terms}</dl><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def finding_row(finding: FindingSpec) -> str:
    """One finding with its evidence; the interval is drawn on a scale from 0.5 to 1."""
    evidence = finding.evidence
    proposes = str(finding.proposes) if finding.may_lift else "experimental, does not affect order"
    left, right = share(evidence.low), share(evidence.high)
    interval = (
        f'<span class="t-interval" title="0.5 to 1"><i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
        f'<b style="left:{share(evidence.auroc):.1f}%"></b></span> {evidence.low:.2f} to {evidence.high:.2f}'
    )
    return (
        f"<tr><td>{escape(finding.label)}</td><td>{escape(proposes)}</td>"
        f'<td class="num" title="{escape(finding.operating_point_chosen)}">{finding.operating_point:.2f}</td>'
        f'<td class="num">{evidence.auroc:.2f}</td><td>{interval}</td><td class="num">{evidence.positives:,}</td>'
        f'<td class="num">{evidence.negatives:,}</td><td>{escape(evidence.method)}</td></tr>'
    )


def share(auroc: float) -> float:
    """Place in percent on the scale from 0.5 to 1."""
    return min(max((auroc - 0.5) / 0.5, 0.0), 1.0) * 100


def listed(values: tuple[str, ...]) -> str:
    """Words for a tuple in which nothing means anything."""
    return ", ".join(values) if values else "any"
