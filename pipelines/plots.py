"""Figures of an evaluation: one SVG for each finding, of studies and of slices, in one plain style."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, roc_curve

from data_schemas.evaluation import FindingFigures, LevelFigures, Ranged
from pipelines.assess import Answered
from pipelines.metrics import Bools, Floats, both_kinds

INK, ACCENT, QUIET = "#1b1f23", "#1f6f8b", "#8a949e"
STYLE = {
    "font.size": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "text.color": INK,
    "legend.frameon": False,
    "svg.hashsalt": "triage",
    "svg.fonttype": "none",
}
BINS = 10


def draw_all(folder: Path, level: LevelFigures, answers: Mapping[str, Answered], suffix: str = "") -> list[str]:
    """FINDING.svg in `folder` for each finding that has figures with and without it; gives the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for finding, figures in level.findings.items():
        if both_kinds(answers[finding].positive):
            names.append(f"{finding}{suffix}.svg")
            draw(folder / names[-1], figures, answers[finding], "slices" if suffix else "studies")
    return names


def draw(path: Path, figures: FindingFigures, one: Answered, unit: str) -> None:
    """ROC, precision and recall, reliability and scores, side by side; equal answers give equal bytes."""
    with rc_context(STYLE):
        figure = Figure(figsize=(12, 3.2), layout="constrained")
        for axes, panel in zip(figure.subplots(1, 4), (roc, precision_recall, reliability, histogram), strict=True):
            panel(axes, figures, one)
        figure.suptitle(
            f"{figures.label}: {figures.positives} {unit} with it, {figures.negatives} without", x=0.01, ha="left"
        )
        written(figure, path)


def roc(axes: Axes, figures: FindingFigures, one: Answered) -> None:
    """Sensitivity against false alarms, and the operating point with its intervals."""
    wrong, right, _ = roc_curve(one.positive, one.scores)
    axes.plot(wrong, right, color=ACCENT)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, linestyle=":")
    found, left = figures.sensitivity, figures.specificity
    if found.value is not None and left.value is not None:
        axes.errorbar(
            1 - left.value,
            found.value,
            xerr=mirrored(left),
            yerr=around(found),
            color=INK,
            marker="o",
            markersize=4,
            linewidth=1,
        )
    labelled(axes, f"ROC, area {words(figures.auroc)}", "1 - specificity", "sensitivity")


def around(one: Ranged) -> list[list[float]]:
    """Lengths of the bars below and above."""
    value, low, high = one.value or 0.0, one.low, one.high
    return [[value - (value if low is None else low)], [(value if high is None else high) - value]]


def mirrored(one: Ranged) -> list[list[float]]:
    """As `around`, of 1 minus the figure."""
    return around(one)[::-1]


def precision_recall(axes: Axes, figures: FindingFigures, one: Answered) -> None:
    """Precision against sensitivity; the dotted line is the share that has it."""
    precision, recall, _ = precision_recall_curve(one.positive, one.scores)
    axes.step(recall, precision, where="post", color=ACCENT)
    axes.axhline(float(one.positive.mean()), color=QUIET, linewidth=0.6, linestyle=":")
    labelled(axes, f"Precision, area {words(figures.auprc)}", "sensitivity", "precision (PPV)")


def reliability(axes: Axes, figures: FindingFigures, one: Answered) -> None:
    """How often it is there against how probable it was said to be, in bins of equal size."""
    found, stated = calibration_curve(one.positive, one.scores, n_bins=BINS, strategy="quantile")
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, linestyle=":")
    axes.plot(stated, found, color=ACCENT, marker="o", markersize=3)
    labelled(axes, f"Calibration error {words(figures.calibration_error)}", "stated probability", "found share")


def draw_reliability(path: Path, findings: Mapping[str, tuple[Bools, Mapping[str, Floats]]]) -> None:
    """A panel for each finding, in it a line for each scaling; equal answers give equal bytes.

    Of each finding which of n studies have it, and by scaling the probabilities (n,) that were stated.
    """
    count = len(findings)
    with rc_context(STYLE):
        figure = Figure(figsize=(3.2 * min(count, 4), 3.4 * -(-count // 4)), layout="constrained")
        panels = figure.subplots(-(-count // 4), min(count, 4), squeeze=False).flat
        for (finding, (positive, stated)), axes in zip(findings.items(), panels, strict=False):
            axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.6, linestyle=":")
            for (scaling, probabilities), color in zip(stated.items(), (ACCENT, INK, QUIET), strict=True):
                found, said = calibration_curve(positive, probabilities, n_bins=BINS, strategy="quantile")
                axes.plot(said, found, color=color, marker="o", markersize=3, label=scaling)
            labelled(axes, finding, "stated probability", "found share")
        for axes in panels:  # that are left over
            axes.set_axis_off()
        figure.axes[0].legend()
        written(figure, path)


def written(figure: Figure, path: Path) -> None:
    """As SVG, complete or not at all."""
    part = path.with_suffix(".part")
    figure.savefig(part, format="svg", metadata={"Date": None})
    part.replace(path)


def histogram(axes: Axes, figures: FindingFigures, one: Answered) -> None:
    """Scores of those with it and without it; the line is the operating point."""
    edges = np.linspace(0, 1, 26).tolist()
    axes.hist(one.scores[~one.positive], bins=edges, density=True, color=QUIET, alpha=0.7, label="without")
    axes.hist(one.scores[one.positive], bins=edges, density=True, color=ACCENT, alpha=0.7, label="with it")
    axes.axvline(figures.operating_point, color=INK, linewidth=1)
    axes.legend()
    axes.set(xlim=(0, 1), xlabel="probability", ylabel="density")
    axes.set_title(f"Scores, operating point {figures.operating_point:.3f}")


def labelled(axes: Axes, title: str, x: str, y: str) -> None:
    """The unit square with its words."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)
    axes.set_title(title)


def words(one: Ranged) -> str:
    """0.812 (0.790 to 0.834)."""
    if one.value is None:
        return "–"
    return f"{one.value:.3f}" if one.low is None else f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
