"""`python -m pipelines.adopt --bundle DIR --evaluation RESULTS`: what evaluate found becomes a bundle's evidence.

For a bundle that came without any, as pipelines.import leaves it. Its findings may then lift a study by the rule that
holds for all. Whether the model has been trained on these patients only its maker knows: who adopts answers for it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from pydantic import ValidationError

from data_schemas.bundle import BundleManifest, FindingSpec
from data_schemas.errors import TriageError
from data_schemas.evaluation import Evaluation
from data_schemas.urgency import Level
from pipelines.assess import Answered, answered
from pipelines.cohort import age_group, counts
from pipelines.judge import Judged, evidence, judge, write_evaluation
from pipelines.metrics import both_kinds
from pipelines.outcomes import SCORED, Outcome, Record
from triage.models.bundle import MANIFEST, read_manifest
from triage.models.bundle_files import write_manifest
from triage.models.evidence import EVALUATION, claims


def adopt(bundle: Path, results: Path, levels: Mapping[str, Level]) -> BundleManifest:
    """Writes evaluation.json into the bundle and the evidence into its triage.json; gives the manifest as written.

    `levels`: how far findings may lift, by name; the others as far as the bundle says. Raises TriageError for a bundle
    that has evidence, for results of another bundle, and where no finding was labelled both ways.
    """
    manifest = read_manifest(bundle)
    if any(claims(finding) for finding in manifest.findings):
        raise TriageError(f"{bundle.name} has its evidence already; a bundle is given some once")
    unknown = sorted(set(levels) - {finding.name for finding in manifest.findings})
    if unknown:
        raise TriageError(f"{bundle.name} has no finding {unknown[0]}")
    told = read_results(bundle, results)
    record = Record.open(
        results, bundle, told.manifest_sha256, told.software, [finding.name for finding in manifest.findings]
    )
    scored = [one for one in record.outcomes.values() if one.status == SCORED]
    figures: dict[str, dict[str, Any]] = {}
    findings = []
    for finding in manifest.findings:
        one = answered(scored, finding.name)
        asked = finding.model_copy(update={"proposes": levels.get(finding.name, finding.proposes)})
        if both_kinds(one.positive):
            found = judge(judged(finding, one, scored), told.seed, told.resamples)
            del found["by_label"]  # of whom the labels are, only the site knows
            how = f"{len(set(one.patients))} patients of {told.manifest}, adopted from pipelines.evaluate"
            asked = asked.model_copy(update={"evidence": evidence(found, how)})
            figures[finding.name] = found | {"lifts": asked.may_lift}
        findings.append(asked)
    if not figures:
        raise TriageError(f"{results} has no finding with scored studies that have it and others that lack it")
    written = manifest.model_copy(update={"findings": tuple(findings)})
    about = {"manifest": told.manifest, "manifest_sha256": told.manifest_sha256, "studies": len(scored)}
    data = {
        "images": sum(one.images for one in scored),
        "patients": len({one.patient for one in scored}),
        "views": counts([one.view for one in scored]),
        "sources": counts([one.source for one in scored]),
    }
    content = {"bundle": told.bundle.model_dump(), "adopted": about, "data": data, "findings": figures}
    write_evaluation(bundle, content)
    write_manifest(bundle, written)
    return written


def read_results(bundle: Path, results: Path) -> Evaluation:
    """evaluation.json of pipelines.evaluate. Raises TriageError where it cannot be read or is of another bundle."""
    try:
        told = Evaluation.model_validate_json((results / EVALUATION).read_bytes())
    except OSError as error:
        raise TriageError(
            f"{results / EVALUATION} cannot be read ({error.strerror}); run pipelines.evaluate"
        ) from error
    except ValidationError as error:
        raise TriageError(f"{results / EVALUATION} is not what pipelines.evaluate writes") from error
    if told.triage_json_sha256 != hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest():
        raise TriageError(f"{results} speaks of another bundle than {bundle}, or of another version; evaluate this one")
    return told


def judged(finding: FindingSpec, one: Answered, scored: Sequence[Outcome]) -> Judged:
    """The studies that are labelled for the finding, as training judges its own."""
    known = [outcome for outcome in scored if outcome.labels[finding.name] == outcome.labels[finding.name]]
    chances = np.clip(one.scores, 1e-6, 1 - 1e-6)
    return Judged(
        finding=finding.name,
        logits=np.log(chances / (1 - chances)),
        probabilities=one.scores,
        acts=one.acts,
        positive=one.positive,
        images=np.array([outcome.study for outcome in known]),
        patients=one.patients,
        sources=one.groups["source"],
        views=one.groups["view"],
        read_again=np.zeros(len(known), dtype=bool),
        groups={
            "by_sex": one.groups["sex"],
            "by_age": np.array([age_group(outcome.age_years) for outcome in known]),
        },
    )


def levels_of(stated: Sequence[str]) -> dict[str, Level]:
    """From FINDING=LEVEL. Raises TriageError for what is no level."""
    levels = {}
    for one in stated:
        name, _, value = one.partition("=")
        if value not in list(Level):
            raise TriageError(f"{one} is no FINDING=LEVEL; levels are {', '.join(Level)}")
        levels[name] = Level(value)
    return levels


def main(
    bundle: Annotated[Path, typer.Option(help="Folder of the bundle.")],
    evaluation: Annotated[Path, typer.Option(help="Folder that pipelines.evaluate wrote for it.")],
    level: Annotated[
        list[str] | None,
        typer.Option(help="FINDING=LEVEL: how far it may lift (STAT, HIGH, ROUTINE). May be repeated."),
    ] = None,
) -> None:
    """Only for patients that the model was not trained on: says which findings may lift from now on."""
    try:
        written = adopt(bundle, evaluation, levels_of(level or ()))
    except TriageError as error:
        typer.echo(error.sentence, err=True)
        raise typer.Exit(1) from error
    able = [f"{one.label} to {one.lifts_to}" for one in written.findings if one.may_lift]
    typer.echo(f"{bundle.name}: {'; '.join(able) or 'no finding'} may lift.")


if __name__ == "__main__":
    typer.run(main)
