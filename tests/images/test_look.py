"""What the header says about looking at the values."""

from pathlib import Path

import numpy as np
from pydicom import Dataset, Sequence

from tests.dicom import dx_file, values_like_a_film
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.images.pixels import Look, Window


def look(path: Path) -> Look:
    return decode(path, read_header(path)[1]).look


def table(descriptor: list[int], data: object) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, "OW" if isinstance(data, bytes) else "US", data)
    return item


def test_windows_are_read_pair_by_pair(tmp_path: Path) -> None:
    path = dx_file(
        tmp_path / "a.dcm",
        WindowCenter=["2000", "1000", "5"],
        WindowWidth=["3000", "0", "7"],
        WindowCenterWidthExplanation=["LUNG", "BROKEN", "BONE"],
        VOILUTFunction="SIGMOID",
    )
    found = look(path)
    assert found.windows == (Window(2000, 3000, "LUNG"), Window(5, 7, "BONE"))
    assert found.voi_function == "SIGMOID"


def test_rescale_and_padding(tmp_path: Path) -> None:
    path = dx_file(
        tmp_path / "a.dcm",
        RescaleSlope="2",
        RescaleIntercept="-10",
        PixelPaddingValue=4095,
        PixelPaddingRangeLimit=4000,
    )
    found = look(path)
    assert (found.slope, found.intercept, found.padding) == (2, -10, (4000, 4095))


def test_tables_as_words_and_as_numbers(tmp_path: Path) -> None:
    words = np.array([5, 6, 7, 8], "<u2").tobytes()
    path = dx_file(
        tmp_path / "a.dcm",
        VOILUTSequence=Sequence([table([4, 10, 16], words), table([9, 0, 12], [1, 2])]),
        ModalityLUTSequence=Sequence([table([4, 0, 16], [1, 2, 3, 4])]),
    )
    found = look(path)
    assert len(found.voi_luts) == 1, "a table shorter than it says is left out"
    assert (found.voi_luts[0].first, found.voi_luts[0].entries.tolist()) == (10, [5, 6, 7, 8])
    assert found.modality_lut is not None
    assert found.modality_lut.entries.tolist() == [1, 2, 3, 4]


def test_nothing_stated(tmp_path: Path) -> None:
    assert look(dx_file(tmp_path / "a.dcm", values_like_a_film())) == Look()
