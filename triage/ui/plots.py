"""Plots as SVG in one style: colours are in components/plots/style.css, texts come from the caller.

Every plot says what it shows in a title and a description for those who cannot see it; the page gives the same figures
as a table. Marks differ by shape and filling, never by colour alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

CHAR_PX = 6.4
"""Width of a character at the plots' 12 px, rounded up."""
LINE_PX = 22
SHAPES = ("circle", "square", "diamond")
Place = Callable[[float], float]
"""From a value to its place in the picture."""


@dataclass(frozen=True)
class Words:
    """What a plot says: its name, what it shows in a sentence, and its axes."""

    title: str
    description: str
    across: str = ""
    up: str = ""


@dataclass(frozen=True)
class Mark:
    """A figure with its interval; hollow ones do not count for the order."""

    value: float
    low: float | None = None
    high: float | None = None
    filled: bool = True
    shape: str = "circle"
    name: str = ""
    """Said on hover."""


@dataclass(frozen=True)
class Row:
    """One line of a forest plot: what it is of, its marks, and a word at its end."""

    label: str
    marks: Sequence[Mark]
    note: str = ""


@dataclass(frozen=True)
class Guide:
    """A line across the plot at a value that means something."""

    value: float
    label: str
    strong: bool = False


@dataclass(frozen=True)
class Axis:
    """From and to, and where values are written."""

    low: float
    high: float
    ticks: Sequence[float]

    def share(self, value: float) -> float:
        """Place from 0 to 1; what lies outside is put at the end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


UNIT = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


@dataclass(frozen=True)
class Point:
    """A point of a square plot, with intervals both ways."""

    label: str
    x: Mark
    y: Mark


@dataclass(frozen=True)
class Line:
    """A line of a square plot; `band` holds (x, low, high)."""

    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    faint: bool = False


@dataclass(frozen=True)
class Square:
    """A plot of one share against another."""

    words: Words
    lines: Sequence[Line] = ()
    points: Sequence[Point] = ()
    across: Axis = field(default=UNIT)
    upward: Axis = field(default=UNIT)


def forest(
    words: Words, rows: Sequence[Row], axis: Axis, guides: Sequence[Guide] = (), legend: Sequence[Mark] = ()
) -> str:
    """Lines one below the other: each mark on the line over its interval."""
    left = max((len(row.label) for row in rows), default=0) * CHAR_PX + 16
    right = max((len(row.note) for row in rows), default=0) * CHAR_PX + 16
    inner, top = 380.0, 24.0 + (LINE_PX if legend else 0)
    heights = [max(LINE_PX, 11 * len(row.marks) + 8) for row in rows]
    bottom = top + sum(heights)

    def x(value: float) -> float:
        return left + inner * axis.share(value)

    parts = [legend_line(legend, left)] if legend else []
    parts += [guide_line(guide, x(guide.value), top, bottom, left + inner) for guide in guides]
    y = top
    for row, height in zip(rows, heights, strict=True):
        middle = y + height / 2
        parts.append(text(left - 10, middle + 4, row.label, "p-label p-end"))
        first = middle - 5.5 * (len(row.marks) - 1)
        parts += [interval(mark, x, first + 11 * place) for place, mark in enumerate(row.marks)]
        parts.append(text(left + inner + 12, middle + 4, row.note, "p-note"))
        y += height
    parts.append(bottom_axis(axis, x, bottom + 4, words.across, left + inner / 2))
    return drawing(words, left + inner + right, bottom + 46, parts)


def square(plot: Square, side: float = 250.0) -> str:
    """One share against another, the diagonal drawn thin; labels of points keep clear of each other."""
    left, top = 52.0, 14.0
    right = max((len(point.label) for point in plot.points), default=0) * CHAR_PX + 24

    def x(value: float) -> float:
        return left + side * plot.across.share(value)

    def y(value: float) -> float:
        return top + side * (1 - plot.upward.share(value))

    parts = [f'<rect class="p-frame" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for line in plot.lines:
        parts += drawn_line(line, x, y)
    places = clear_of_each_other([y(point.y.value) for point in plot.points], 14.0, top + 6, top + side)
    for point, place in zip(plot.points, places, strict=True):
        parts += drawn_point(point, x, y, left + side + 12, place)
    parts.append(bottom_axis(plot.across, x, top + side, plot.words.across, left + side / 2))
    parts += [text(left - 8, y(tick) + 4, number(tick), "p-tick p-end") for tick in plot.upward.ticks]
    parts.append(upright(top + side / 2, plot.words.up))
    return drawing(plot.words, left + side + right, top + side + 44, parts)


def histogram(words: Words, edges: Sequence[float], series: Sequence[tuple[str, Sequence[float]]], guide: Guide) -> str:
    """Shares by bin as steps: the first series filled, the second as a line."""
    left, top, width, height = 52.0, 34.0, 250.0, 230.0
    across = Axis(edges[0], edges[-1], (edges[0], (edges[0] + edges[-1]) / 2, edges[-1]))
    tallest = max((value for _, values in series for value in values), default=0.0) or 1.0

    def x(value: float) -> float:
        return left + width * across.share(value)

    def y(value: float) -> float:
        return top + height * (1 - value / tallest)

    parts = []
    for place, (name, values) in enumerate(series):
        steps = f"M{x(edges[0]):.1f} {y(0):.1f}"
        for (low, high), value in zip(pairwise(edges), values, strict=True):
            steps += f"L{x(low):.1f} {y(value):.1f}L{x(high):.1f} {y(value):.1f}"
        steps += f"L{x(edges[-1]):.1f} {y(0):.1f}"
        kind = "p-area" if place == 0 else "p-line"
        parts.append(f'<path class="{kind}" d="{steps}"/>')
        swatch = left + place * width / 2
        parts.append(f'<rect class="{kind}" x="{swatch:.1f}" y="4" width="10" height="10"/>')
        parts.append(text(swatch + 16, 13, name, "p-note"))
    parts.append(guide_line(guide, x(guide.value), top, top + height, left + width))
    parts.append(bottom_axis(across, x, top + height, words.across, left + width / 2))
    parts += [text(left - 8, y(value) + 4, f"{value:.0%}", "p-tick p-end") for value in (0.0, tallest)]
    parts.append(upright(top + height / 2, words.up))
    return drawing(words, left + width + 24, top + height + 44, parts)


# Parts


def drawing(words: Words, width: float, height: float, parts: Sequence[str]) -> str:
    """The whole picture as an SVG document."""
    name = escape(f"{words.title}: {words.description}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{name}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
        f"<desc>{escape(words.description)}</desc>{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, kind: str) -> str:
    """A text; kinds are in components/plots/style.css."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>' if words else ""


def upright(y: float, words: str) -> str:
    """The name of the axis on the left, from below to above."""
    place = f'transform="translate(14 {y:.1f}) rotate(-90)"'
    return f'<text class="p-axis p-middle" {place}>{escape(words)}</text>'


def number(value: float) -> str:
    """A tick's value with no more places than it needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def interval(mark: Mark, x: Place, y: float) -> str:
    """The interval as a line and the value as a mark on it."""
    line = ""
    if mark.low is not None and mark.high is not None:
        line = f'<line class="p-interval" x1="{x(mark.low):.1f}" y1="{y:.1f}" x2="{x(mark.high):.1f}" y2="{y:.1f}"/>'
    return line + shape(mark, x(mark.value), y)


def shape(mark: Mark, x: float, y: float) -> str:
    """The mark itself, with its name on hover."""
    kind = "p-mark" if mark.filled else "p-mark p-hollow"
    name = f"<title>{escape(mark.name)}</title>" if mark.name else ""
    if mark.shape == "square":
        return f'<rect class="{kind}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">{name}</rect>'
    if mark.shape == "diamond":
        path = f"M{x:.1f} {y - 5.5:.1f}L{x + 5.5:.1f} {y:.1f}L{x:.1f} {y + 5.5:.1f}L{x - 5.5:.1f} {y:.1f}Z"
        return f'<path class="{kind}" d="{path}">{name}</path>'
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{name}</circle>'


def guide_line(guide: Guide, x: float, top: float, bottom: float, end: float) -> str:
    """A line from top to bottom; its label stands above it, on the side where there is room."""
    kind = "p-guide p-strong" if guide.strong else "p-guide"
    near_end = x + len(guide.label) * CHAR_PX > end + 60
    place, side = (x - 4, "p-note p-end") if near_end else (x + 4, "p-note")
    line = f'<line class="{kind}" x1="{x:.1f}" y1="{top - 14:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
    return line + text(place, top - 6, guide.label, side)


def bottom_axis(axis: Axis, x: Place, y: float, name: str, middle: float) -> str:
    """The axis below with its values and its name."""
    parts = [f'<line class="p-frame" x1="{x(axis.low):.1f}" y1="{y:.1f}" x2="{x(axis.high):.1f}" y2="{y:.1f}"/>']
    for tick in axis.ticks:
        parts.append(f'<line class="p-frame" x1="{x(tick):.1f}" y1="{y:.1f}" x2="{x(tick):.1f}" y2="{y + 4:.1f}"/>')
        parts.append(text(x(tick), y + 17, number(tick), "p-tick p-middle"))
    return "".join(parts) + text(middle, y + 36, name, "p-axis p-middle")


def legend_line(marks: Sequence[Mark], left: float) -> str:
    """What the shapes mean."""
    parts, x = [], left
    for mark in marks:
        parts.append(shape(mark, x + 5, 10) + text(x + 15, 14, mark.name, "p-note"))
        x += len(mark.name) * CHAR_PX + 34
    return "".join(parts)


def drawn_line(line: Line, x: Place, y: Place) -> list[str]:
    """The line, its band below it."""
    parts = []
    if line.band:
        over = [f"{x(at):.1f} {y(high):.1f}" for at, _, high in line.band]
        under = [f"{x(at):.1f} {y(low):.1f}" for at, low, _ in reversed(line.band)]
        parts.append(f'<path class="p-band" d="M{"L".join([*over, *under])}Z"/>')
    kind = "p-guide" if line.faint else "p-line"
    path = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in line.points)
    return [*parts, f'<path class="{kind}" d="M{path}"/>']


def drawn_point(point: Point, x: Place, y: Place, label_x: float, label_y: float) -> list[str]:
    """The point with its cross of intervals, and its label at the side with a thin line to it."""
    across, up = x(point.x.value), y(point.y.value)
    parts = []
    if point.x.low is not None and point.x.high is not None:
        ends = x(point.x.low), x(point.x.high)
        parts.append(f'<line class="p-interval" x1="{ends[0]:.1f}" y1="{up:.1f}" x2="{ends[1]:.1f}" y2="{up:.1f}"/>')
    if point.y.low is not None and point.y.high is not None:
        ends = y(point.y.low), y(point.y.high)
        parts.append(
            f'<line class="p-interval" x1="{across:.1f}" y1="{ends[0]:.1f}" x2="{across:.1f}" y2="{ends[1]:.1f}"/>'
        )
    if point.label:
        leader = f"M{across + 7:.1f} {up:.1f}L{label_x - 4:.1f} {label_y:.1f}"
        parts.append(f'<path class="p-leader" d="{leader}"/>')
    return [*parts, shape(point.y, across, up), text(label_x, label_y + 4, point.label, "p-label")]


def clear_of_each_other(places: Sequence[float], apart: float, low: float, high: float) -> list[float]:
    """The places, moved as little as one pass down and one up need to keep them that far apart, within the bounds."""
    order = sorted(range(len(places)), key=lambda one: places[one])
    moved, last = {}, low - apart
    for one in order:
        last = moved[one] = max(places[one], last + apart)
    last = high + apart
    for one in reversed(order):
        last = moved[one] = min(moved[one], last - apart)
    return [moved[one] for one in range(len(places))]
