"""The benchmark runs both ways over every syntax and says so in a table."""

from pathlib import Path

import pytest

from pipelines import benchmark, series_times
from pipelines.encode import SYNTAXES
from pipelines.in_turn import in_turn
from tests.bundles import write_reader
from triage.models.bundle import load_bundle
from triage.settings import SHIPPED_BUNDLES


def test_every_syntax_has_a_row_with_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "ROWS", 300)
    monkeypatch.setattr(benchmark, "COLUMNS", 260)
    write_reader(tmp_path / "bundles" / "reader")
    lines = list(benchmark.report(tmp_path / "bundles" / "reader", 1, "cpu", ["shipped"]))
    for syntax in SYNTAXES:
        cells = next(line for line in lines if line.startswith(f"| {syntax} |")).split("|")
        textbook_ms, triage_ms, ratio = (float(cell) for cell in cells[2:5])
        assert ratio == pytest.approx(textbook_ms / triage_ms, rel=0.5)
    text = "\n".join(lines)
    assert "12 studies of mixed syntaxes" in text
    assert "Cold start of `triage screen`" in text
    difference = next(line for line in lines if line.startswith("Largest difference")).rpartition(": ")[2]
    assert float(difference.rstrip(".")) < 1e-4


def test_a_series_is_prepared_as_monai_does_it(tmp_path: Path) -> None:
    bundle = load_bundle(SHIPPED_BUNDLES / "head_ct", tmp_path / "cache", "onnx", threads=1)
    row = series_times.against_monai(bundle, series_times.written(tmp_path / "ct", 14), 1)
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    assert float(cells[6]) < 0.005
    assert series_times.peak_mib(sorted((tmp_path / "ct").glob("*.dcm"))) < 3 * 1024


def test_medians_leave_the_first_round_out() -> None:
    calls: list[str] = []
    found = in_turn({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3)
    assert calls == ["a", "b"] * 4
    assert set(found) == {"a", "b"}
