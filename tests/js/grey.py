"""Writes grey.json: stored values and the grey that triage.images.display gives them, for the page's own table.

A test in tests/web holds the file equal to what the program gives today.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from data_schemas.study import InstanceHeader
from triage.images.display import display
from triage.images.pixels import Look, Lut, StoredPixels, Window
from triage.web.pixels import packed

FILE = Path(__file__).with_name("grey.json")


def cases() -> list[dict[str, Any]]:
    """Every way in which a header can ask for grey."""
    random = np.random.default_rng(1)
    curve = np.sort(random.integers(0, 4096, 300)).astype(np.uint16)
    odd = random.integers(0, 65536, 700).astype(np.uint16)
    found = []
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        for number in range(4):
            center, width = float(random.uniform(0, 900)), float(random.uniform(1, 1100))
            look = Look(windows=(Window(center, width),), voi_function=function)
            found.append(case(f"{function} {number}", 0, 1023, look, inverse=number % 2 == 1))
            scaled = Look(slope=float(random.uniform(0.1, 3)), intercept=-1024.0, voi_function=function)
            found.append(case(f"{function} chosen {number}", -200, 800, scaled, (center - 500, width)))
    found += [
        case("whole range", 0, 1023, Look()),
        case("whole range, inverse", 0, 1023, Look(), inverse=True),
        case("padding", 0, 1023, Look(padding=(0, 40))),
        case("VOI LUT", 0, 600, Look(slope=1.3, voi_luts=(Lut(100, 12, curve),))),
        case("Modality LUT", 0, 900, Look(modality_lut=Lut(5, 16, odd))),
        case("width 1", 0, 255, Look(), (128.0, 1.0)),
        case("flat", 7, 7, Look()),
    ]
    return found


def case(
    name: str, low: int, high: int, look: Look, window: tuple[float, float] | None = None, *, inverse: bool = False
) -> dict[str, Any]:
    """All values from `low` to `high` in one row."""
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1",
        transfer_syntax_uid="1",
        photometric_interpretation="MONOCHROME1" if inverse else "MONOCHROME2",
    )
    pixels = StoredPixels(np.arange(low, high + 1, dtype=np.int16)[np.newaxis], header, look)
    grey = np.rint(display(pixels, window) * np.float32(255)).astype(np.uint8)[0]

    block = packed(pixels, None)
    facts = json.loads(block[4 : 4 + int.from_bytes(block[:4], "little")])
    chosen = {"center": window[0], "width": window[1]} if window else None
    return {"name": name, "facts": facts, "window": chosen, "grey": grey.tolist()}


def text() -> str:
    """The file's whole content, one case a line."""
    return "[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases()) + "\n]\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
