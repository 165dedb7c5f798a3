"""Every phantom as DICOM files."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from pydicom import Dataset, dcmwrite

from triage.phantoms import chest, head, retina

HEADS: Mapping[str, tuple[str, head.Head]] = {
    "HEAD-1": ("head CT: nothing drawn", head.Head(slices=20, side=384, seed=1)),
    "BLEED": ("head CT: drawn bleed on the right", head.Head(slices=20, side=384, bleed_mm=22, seed=1)),
}
RETINAS: Mapping[str, tuple[str, retina.Retina]] = {
    "MACULA-1": ("OCT of the macula: nothing drawn", retina.Retina(seed=3)),
    "FLUID": ("OCT of the macula: drawn fluid", retina.Retina(cyst=0.16, seed=3)),
}


Named = tuple[str, Dataset]


def write_phantoms(folder: Path) -> list[Path]:
    """All of them."""
    return write(folder, chain(chests(), heads(), retinas()))


def write(folder: Path, drawn: Iterable[Named]) -> list[Path]:
    """The same bytes each time, so that a second demo adds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, dataset in drawn:
        paths.append(folder / f"phantom-{name.lower()}.dcm")
        dcmwrite(paths[-1], dataset, enforce_file_format=True)
    return paths


def chests() -> Iterator[Named]:
    """One film each."""
    for phantom in chest.PHANTOMS:
        yield phantom.name, chest.as_dicom(phantom, chest.draw(phantom))


def heads() -> Iterator[Named]:
    """One file for each slice."""
    for number, (name, (words, body)) in enumerate(HEADS.items(), start=len(chest.PHANTOMS) + 1):
        slices = head.as_dicom(body, head.draw_head(body), name, number, words)
        yield from ((f"{name}-{place:02}", dataset) for place, dataset in enumerate(slices, start=1))


def retinas() -> Iterator[Named]:
    """One file of several frames each."""
    for number, (name, (words, eye)) in enumerate(RETINAS.items(), start=len(chest.PHANTOMS) + len(HEADS) + 1):
        yield name, retina.as_dicom(retina.draw_scans(eye), name, number, words)
