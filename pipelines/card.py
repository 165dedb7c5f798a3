"""CARD.md: what a person should know before trusting a bundle, from its manifest and evaluation.json alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from data_schemas.bundle import EVIDENCE_FLOOR, BundleManifest, Fit
from pipelines.judge import read_evaluation
from pipelines.recipe import Recipe, read_recipe
from triage.models.bundle import read_manifest

CARD = "CARD.md"
GROUPS = {
    "by_source": "collection",
    "elsewhere": "collection as another hospital",
    "by_view": "view",
    "by_label": "label",
    "by_sex": "sex",
    "by_age": "age",
}
"""What figures are told by, and what the card calls it."""


def write_card(directory: Path) -> None:
    """CARD.md of a bundle directory that has triage.json and evaluation.json."""
    text = card(read_manifest(directory), read_evaluation(directory))
    part = directory / (CARD + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(directory / CARD)


def card(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """The whole card as Markdown."""
    parts = [
        f"# {manifest.title} ({manifest.name} {manifest.version})",
        f"{manifest.purpose} Research use, not a medical device.",
        f"**Not for:** {manifest.not_for}",
        "## What it takes",
        taken(manifest),
        "## What it was made from",
        made_from(manifest, evaluation),
        "## How well it does on patients it did not see",
        findings_table(manifest, evaluation),
        lifting_words(manifest, evaluation),
        "## On patients set aside",
        confirmed_table(manifest, evaluation),
        "## By collection, view, kind of label, sex and age (AUROC)",
        groups_table(manifest, evaluation),
        "## What it refuses",
        refused(evaluation),
        "## Where it fails",
        failures(manifest, evaluation),
        "## How it was made",
        made(manifest, evaluation),
    ]
    return "\n\n".join(parts) + "\n"


def taken(manifest: BundleManifest) -> str:
    """Accepted images in a sentence."""
    accepts, volume = manifest.accepts, manifest.accepts.volume
    words = f"Modality {' or '.join(accepts.modalities)}, body part {' or '.join(accepts.body_parts)}"
    if accepts.views:
        words += f", views {' and '.join(accepts.views)}"
    if accepts.without_contrast:
        words += ", without contrast medium"
    if accepts.min_age_years:
        words += f", patients from {accepts.min_age_years:g} years"
    words += f", at least {accepts.min_side_px} pixels a side. "
    if volume is not None:
        lying = " or ".join(volume.orientations) + " " if volume.orientations else ""
        pooled = "that of its highest" if volume.pooled == 1 else f"the mean of its {volume.pooled} highest"
        words += (
            f"Series of {volume.min_slices} to {volume.max_slices} {lying}slices of {volume.min_thickness_mm:g} to "
            f"{volume.max_thickness_mm:g} mm, scored slice by slice; the series' score is {pooled}. "
            f"Of several series the one nearest to {volume.wanted_thickness_mm:g} mm is taken"
            f"{f', of noise up to {volume.wanted_noise:g} where there is one' if volume.wanted_noise else ''}. "
            f"Marked and scored all the same: {listed_words(volume.tolerates)}. "
        )
    return words + scaled(manifest)


def scaled(manifest: BundleManifest) -> str:
    """How values reach the network."""
    prepare = manifest.prepare
    size = f"{prepare.width} x {prepare.height}"
    fitted = "stretched" if prepare.fit is Fit.STRETCH else "fitted"
    if prepare.windows:
        windows = listed_words(f"level {center:g} width {width:g}" for center, width in prepare.windows)
        return f"Values are seen through the window {windows} and {fitted} to {size}."
    return (
        f"What a person would see is scaled from its {prepare.low_percentile:g} to {prepare.high_percentile:g} "
        f"percentile and {fitted} to {size}."
    )


def listed_words(words: Iterable[str]) -> str:
    """Words with commas, or "nothing"."""
    return ", ".join(words) or "nothing"


def made_from(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """Data and starting weights, with what is wrong with the data."""
    data, unit = evaluation["data"], evaluation["unit"]
    ages = ""
    if data["age_years"]:
        youngest, oldest = data["age_years"]
        ages = f" of {youngest:.0f} to {oldest:.0f} years"
    words = [f"{data['images']} images of {data['patients']} patients{ages}; collections {listed(data['sources'])}."]
    if len(data["views"]) > 1:
        words.append(f"Views {listed(data['views'])}.")
    if data["read_again"]:
        words.append(f"{data['read_again']} were read again by radiologists.")
    if evaluation["pooled"]:
        words.append(f"Figures are those of a whole {unit}, not of its slices.")
    return f"{manifest.origin}\n\n{' '.join(words)} {evaluation['labels']}"


def findings_table(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """One row a finding."""
    lines = [
        "| finding | with / without | AUROC | within one collection | within collection and view | AUPRC "
        "| operating point | sensitivity | specificity | calibration error | changes the order |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for finding in manifest.findings:
        f = evaluation["findings"][finding.name]
        cells = [
            finding.label,
            f"{f['positives']} / {f['negatives']}",
            ranged(f["auroc"]),
            ranged(f["auroc_within_source"]),
            ranged(f["auroc_within_source_and_view"]),
            ranged(f["auprc"]),
            f"{finding.operating_point:.3f}",
            ranged(f["sensitivity"]),
            ranged(f["specificity"]),
            figure(f["calibration_error"]),
            f"proposes {finding.lifts_to}" if finding.lifts_to else "no: experimental",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def lifting_words(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """What the table means for the order."""
    alarms, data, unit = evaluation["alarms"], evaluation["data"], evaluation["unit"]
    return (
        f"{evaluation['recipe']['folds']}-fold cross-validation by patient ({data['patients']} patients; a {unit} "
        "whose label is not known is left out); 95 % intervals draw whole patients. A finding changes the "
        f"order only where the lowest bound of the first three AUROCs is at least {EVIDENCE_FLOOR:.2f}"
        f"{by_choice(manifest)}. At the operating points, at least one such finding acts on "
        f"{share(alarms['of_films_without_abnormality'])} of those without abnormality and on "
        f"{share(alarms['of_abnormal_films'])} of the abnormal ones. Operating points were chosen on the same "
        "out-of-fold answers that sensitivity and specificity are given for. Probabilities are calibrated to how often "
        "findings occur in the training data, where they are more frequent than in most hospitals."
        + slices_words(manifest, evaluation)
    )


def by_choice(manifest: BundleManifest) -> str:
    """Which findings change nothing although they might."""
    held = [finding.label for finding in manifest.findings if finding.proposes is None]
    return f"; {' and '.join(held)} never, by choice, whatever the figures" if held else ""


def confirmed_table(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """The one look at the patients that no choice has seen."""
    confirmed = evaluation.get("confirmed")
    if confirmed is None:
        return "No patients were set aside."
    lines = [
        "| finding | with / without | AUROC | AUPRC | sensitivity | specificity | calibration error |",
        "|---|---|---|---|---|---|---|",
    ]
    for finding in manifest.findings:
        f = confirmed["studies"]["findings"][finding.name]
        measured = ("auroc", "auprc", "sensitivity", "specificity", "calibration_error")
        cells = [finding.label, f"{f['positives']} / {f['negatives']}", *(ranged(f[name]) for name in measured)]
        lines.append("| " + " | ".join(cells) + " |")
    coverage = confirmed["coverage"]
    stops = "; ".join(f"{stop['studies']} stopped by {stop['gate']}" for stop in coverage["stopped_by"])
    return (
        "Patients drawn by a hash of their number; neither these weights nor any choice made for them has seen them. "
        "Written by `pipelines.evaluate`, which sends each image through the finished bundle as the product does, "
        f"gates included: {coverage['scored']} of {coverage['studies']} were scored{f' ({stops})' if stops else ''}, "
        f"of {confirmed['studies']['patients']} patients. Versions before this one may have been measured on the same "
        "patients.\n\n" + "\n".join(lines)
    )


def slices_words(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """How well single slices are told, where a unit is made of them."""
    told = [
        f"{finding.label} {ranged(found['slices']['auroc'])} ({found['slices']['positives']} slices)"
        for finding in manifest.findings
        if "slices" in (found := evaluation["findings"][finding.name])
    ]
    return f" AUROC of single slices: {', '.join(told)}." if told else ""


def apart_words(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """What a score knows of the collection an image comes from."""
    told = [
        f"{finding.label} {figure(found)}"
        for finding in manifest.findings
        if (found := evaluation["findings"][finding.name].get("sources_told_apart")) is not None
    ]
    if not told:
        return ""
    return (
        "\n\nAUROC by which a score tells the collections apart among images without the finding (0.5: it knows "
        f"nothing of them): {', '.join(told)}."
    )


def groups_table(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """AUROC of every finding in every group."""
    tables = []
    for key, title in GROUPS.items():
        groups = sorted({group for f in evaluation["findings"].values() for group in f.get(key, {})})
        if len(groups) < (1 if key == "elsewhere" else 2):
            continue
        lines = [f"| finding, by {title} | " + " | ".join(groups) + " |", "|---" * (len(groups) + 1) + "|"]
        for finding in manifest.findings:
            found = evaluation["findings"][finding.name].get(key, {})
            cells = [ranged(found[g]["auroc"]) + f" ({found[g]['positives']})" if g in found else "" for g in groups]
            lines.append(f"| {finding.label} | " + " | ".join(cells) + " |")
        tables.append("\n".join(lines))
    if not tables:
        return "All images come from one collection, one view and one kind of label."
    notes = "In brackets: how many have the finding."
    if any(f.get("elsewhere") for f in evaluation["findings"].values()):
        notes += (
            " A collection as another hospital: asked about by a network made for this table alone, fitted as the "
            "shipped one is, but to the other collections' images of other patients; nothing is chosen by it."
        )
    return "\n\n".join([*tables, notes]) + apart_words(manifest, evaluation)


def refused(evaluation: Mapping[str, Any]) -> str:
    """The distribution gate."""
    gate = evaluation["distribution"]
    lines = ["| other images, dressed like those it takes | tested | stopped |", "|---|---|---|"]
    lines += [f"| {kind} | {row['images']} | {share(row['stopped'])} |" for kind, row in gate["stopped"].items()]
    return (
        f"Images too far from the training images in the network's features ({gate['method']} distance, "
        f"{gate['directions']} directions, threshold {gate['threshold']}) are not scored. The threshold keeps "
        f"{share(gate['kept_of_unseen_patients'])} of the images of patients that were not seen, and "
        f"{share(gate['kept_of_changed_films'])} of them with other contrast and framing. Not tested: "
        f"{gate['not_tested']}.\n\n" + "\n".join(lines)
    )


def failures(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """What is known to go wrong."""
    weak = [finding.label for finding in manifest.findings if finding.proposes and not finding.may_lift]
    data = evaluation["data"]
    lines = list(evaluation["known_limits"])
    if data["mined_opacities_read_again"]:
        lines.append(
            f"Of {data['mined_opacities_read_again']} mined lung opacities that radiologists read again they kept "
            f"{data['mined_opacities_kept']}."
        )
    if weak:
        lines.insert(0, f"Experimental, too weak to change the order: {', '.join(weak)}.")
    reads = [
        f"{finding.label}: acted on {r['with_it_acted_on']} of {r['with_it']} films with it and "
        f"{r['without_it_acted_on']} of {r['without_it']} without"
        for finding in manifest.findings
        if (r := evaluation["findings"][finding.name]["expert_reads"])
    ]
    if reads:
        lines.append(f"Films that experts adjudicated, too few to prove anything: {'; '.join(reads)}.")
    return "\n".join(f"- {line}" for line in lines)


def made(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """Run, software, hashes and what was tried."""
    tried = ", ".join(f"{name} {value:.3f}" for name, value in evaluation["tried"].items())
    return (
        f"`python -m pipelines.train {manifest.name}`{changes_words(manifest, evaluation)}, "
        f"run {evaluation['run_id']}, seed {evaluation['seed']}, device {evaluation['device']}, "
        f"{listed(evaluation['software'])}. Mean AUROC over findings in cross-validation: "
        f"{tried}; kept: {evaluation['kept']}, "
        f"chosen on the figures above. {pretrained_words(evaluation)}"
        f"Data SHA-256 {evaluation['data']['sha256'][:16]}, weights SHA-256 "
        f"{manifest.network.weights_sha256[:16]}. Licence {manifest.licence}."
    )


def changes_words(manifest: BundleManifest, evaluation: Mapping[str, Any]) -> str:
    """Which values of the shipped recipe were changed."""
    own, shipped = Recipe.model_validate(evaluation["recipe"]), read_recipe(Path(manifest.name))
    changed = [name for name in Recipe.model_fields if getattr(own, name) != getattr(shipped, name)]
    return f" with other values of {', '.join(changed)} (evaluation.json has them)" if changed else ""


def pretrained_words(evaluation: Mapping[str, Any]) -> str:
    """What was done before any label was looked at."""
    how = evaluation["recipe"].get("pretraining")
    if how is None:
        return ""
    return (
        f"The last blocks were first moved without labels (SimCLR, {how['epochs']} passes), for each fold by the "
        "images of the other folds alone. "
    )


def ranged(interval: Mapping[str, float | None]) -> str:
    """0.812 (0.790 to 0.834)."""
    value, low, high = (figure(interval[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if interval["low"] is not None else value


def figure(value: float | None) -> str:
    """Three places, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{value:.1%}"


def listed(values: Mapping[str, Any]) -> str:
    """name value, name value."""
    return ", ".join(f"{name} {value}" for name, value in values.items())
