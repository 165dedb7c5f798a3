"""A bundle with what was measured of it, and how its figures are written: words, tables, what is folded."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from data_schemas.bundle import BundleManifest, FindingSpec
from triage.web.words import Say


@dataclass(frozen=True)
class Evaluated:
    """A manifest with what is known of its answers; `figures` is empty where the file is missing."""

    manifest: BundleManifest
    figures: Mapping[str, Any]
    say: Say

    def of(self, finding: FindingSpec) -> Mapping[str, Any]:
        """The figures of one finding."""
        found: Mapping[str, Any] = self.figures.get("findings", {}).get(finding.name, {})
        return found

    @property
    def known(self) -> list[FindingSpec]:
        """Findings of which the file holds figures."""
        return [finding for finding in self.manifest.findings if self.of(finding)]


@dataclass(frozen=True)
class Shown:
    """A part of the sheet: its name, what it shows, plots (name and SVG), and the same figures as HTML."""

    title: str
    description: str = ""
    plots: Sequence[tuple[str, str]] = ()
    figures: str = ""


def read_figures(folder: Path, manifest: BundleManifest) -> dict[str, Any]:
    """evaluation.json of the bundle; empty where it is missing, is not JSON, or speaks of other weights."""
    try:
        content = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    weights = content.get("bundle", {}).get("weights_sha256")
    return content if weights == manifest.network.weights_sha256 else {}


def has_value(figure: Mapping[str, Any] | None) -> bool:
    """Whether there is a figure at all."""
    return figure is not None and figure.get("value") is not None


def ranged(bundle: Evaluated, figure: Mapping[str, Any] | None) -> str:
    """0.81 (0.79 to 0.83), or a dash."""
    if figure is None or figure.get("value") is None:
        return "–"
    if figure.get("low") is None:
        return f"{figure['value']:.2f}"
    return f"{figure['value']:.2f} ({between(bundle.say, figure['low'], figure['high'])})"


def between(say: Say, low: float, high: float) -> str:
    """An interval in words."""
    return say("models.interval_words", low=f"{low:.2f}", high=f"{high:.2f}")


def share(value: float | None) -> str:
    """A share as a percentage."""
    return "–" if value is None else f"{100 * value:.1f} %"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table; every text is escaped."""
    kinds = [" class=num" if place in numbers else "" for place in range(len(head))]
    titles = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    scroll = f'<div class="t-scroll" tabindex="0" role="region" aria-label="{escape(", ".join(head))}">'
    return f"{scroll}<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def folded(say: Say, content: str) -> str:
    """Opened by who wants it."""
    return f"<details><summary>{escape(say('models.figures'))}</summary>{content}</details>"
