"""REPORT.md: an evaluation for people, from its figures alone."""

from collections.abc import Iterator, Sequence

from data_schemas.evaluation import Coverage, Evaluation, FindingFigures, GroupFigures, LevelFigures, Robustness
from pipelines.plots import words


def report(one: Evaluation, figures: Sequence[str]) -> str:
    """The whole report as Markdown; `figures` are names in figures/."""
    parts = [
        f"# {one.bundle.name} {one.bundle.version} on {one.manifest}",
        "Written by `python -m pipelines.evaluate`; every image went the way of `triage.screening.screen`, all gates "
        f"included. {one.inputs}".strip(),
        covered(one.coverage),
        f"## Studies ({one.studies.count} scored, {one.studies.patients} patients)",
        findings_table(one.studies),
        prevalence_table(one.studies),
    ]
    if one.slices is not None:
        parts += [f"## Slices ({one.slices.count})", findings_table(one.slices)]
    parts += [*groups_tables(one.studies), *notes(one)]
    if one.robustness is not None:
        parts += ["## Changed images", robustness_table(one.robustness)]
    parts += [f"![{name}](figures/{name})" for name in figures]
    parts += ["## Run", run(one)]
    return "\n\n".join(part for part in parts if part) + "\n"


def covered(one: Coverage) -> str:
    """What became of the studies."""
    lines = [
        f"{one.rows} rows are {one.studies} studies: {one.scored} scored, {one.stopped} stopped by gates, "
        f"{one.unreadable} unreadable; {one.files_left_out} files left out."
    ]
    if one.stopped_by:
        rows = [f"| {stop.gate} | {stop.reason} | {stop.studies} |" for stop in one.stopped_by]
        lines.append("\n".join(["| gate | reason | studies |", "|---|---|---|", *rows]))
    if one.faults:
        lines.append("\n".join(f"- {fault}" for fault in one.faults))
    return "\n\n".join(lines)


def findings_table(level: LevelFigures) -> str:
    """One row a finding."""
    stopped = any(one.with_stopped for one in level.findings.values())
    lines = [
        "| finding | with / without / not known | AUROC | "
        + ("AUROC, stopped as lowest | " if stopped else "")
        + "AUPRC | operating point | sensitivity | specificity | calibration error | Brier |",
        "|---" * (10 if stopped else 9) + "|",
    ]
    for one in level.findings.values():
        cells = [one.label, f"{one.positives} / {one.negatives} / {one.unknown}", words(one.auroc)]
        cells += [words(one.with_stopped.auroc) if one.with_stopped else "–"] if stopped else []
        cells += [words(one.auprc), f"{one.operating_point:.3f}", words(one.sensitivity), words(one.specificity)]
        cells += [words(one.calibration_error), words(one.brier)]
        lines.append(f"| {' | '.join(cells)} |")
    said = [f"- {one.note}" for one in level.findings.values() if one.note]
    return "\n".join([*lines, "", *said]) if said else "\n".join(lines)


def prevalence_table(level: LevelFigures) -> str:
    """What a flag means where findings are rarer than here."""
    lines = ["| finding | prevalence | PPV | NPV | flags per 100 |", "|---|---|---|---|---|"]
    for one in level.findings.values():
        for at in one.at_prevalence if one.positives and one.negatives else ():
            flags = "–" if at.flags_per_100 is None else f"{at.flags_per_100:.1f}"
            lines.append(f"| {one.label} | {at.prevalence:.1%} | {words(at.ppv)} | {words(at.npv)} | {flags} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def groups_tables(level: LevelFigures) -> Iterator[str]:
    """One table for sex, age, view and source."""
    for name in ("sex", "age", "view", "source"):
        rows = [row for one in level.findings.values() for row in group_rows(one, name)]
        if rows:
            heading = f"| finding | {name} | with / without | AUROC | sensitivity | specificity |"
            yield "\n".join([f"## By {name}", "", heading, "|---|---|---|---|---|---|", *rows])
    several = [one for one in level.findings.values() if one.auroc_within_source is not None]
    if several:
        rows = [f"- {one.label}: {words(one.auroc_within_source)}" for one in several if one.auroc_within_source]
        yield "\n".join(["AUROC over pairs of one source only:", "", *rows])


def group_rows(one: FindingFigures, name: str) -> Iterator[str]:
    """One row a group."""
    for group, figures in one.groups.get(name, {}).items():
        yield f"| {one.label} | {group} | {group_cells(figures)} |"


def group_cells(one: GroupFigures) -> str:
    """Counts and figures."""
    found = (words(value) for value in (one.auroc, one.sensitivity, one.specificity))
    return " | ".join([f"{one.positives} / {one.negatives}", *found])


def notes(one: Evaluation) -> list[str]:
    """What the figures leave out."""
    return ["\n".join(f"- {note}" for note in one.notes)] if one.notes else []


def robustness_table(one: Robustness) -> str:
    """One row for each change and finding."""
    lines = [
        f"{one.studies} scored studies, drawn by the seed. Noise, blur, contrast, shift and JPEG were done to the "
        f"files, attacks to {one.unit}. AUROC is that of what the gates let through, before and after.",
        "",
        "| change | strength | stopped | finding | AUROC before | after | mean change of probability | flags changed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for change in one.changes:
        begin = f"| {change.change} | {change.strength} | {change.stopped} of {change.images} |"
        if not change.findings:  # nothing was let through
            lines.append(f"{begin} – | – | – | – | – |")
        for finding, found in change.findings.items():
            areas = ("–" if area is None else f"{area:.3f}" for area in (found.auroc_unchanged, found.auroc))
            changed = f"{found.mean_change:.3f} | {found.flags_changed:.1%} |"
            lines.append(f"{begin} {finding} | {' | '.join(areas)} | {changed}")
    return "\n".join(lines)


def run(one: Evaluation) -> str:
    """Hashes, software and speed."""
    software = ", ".join(f"{name} {version}" for name, version in one.software.items())
    speed = ""
    if one.throughput is not None:
        made = one.throughput
        speed = (
            f" {made.studies} studies ({made.images} images) in {made.seconds:.0f} s on {made.device} in "
            f"{made.threads} threads: {made.studies_per_second:.1f} studies, {made.images_per_second:.1f} images a "
            "second."
        )
    return (
        f"Weights SHA-256 {one.bundle.weights_sha256[:16]}, manifest SHA-256 {one.manifest_sha256[:16]}, seed "
        f"{one.seed}, {one.resamples} bootstrap samples of whole patients for each 95 % interval; {software}.{speed}"
    )
