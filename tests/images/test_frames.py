"""Objects of many frames: each frame as it is stored, read with its own rescale, in any order."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.sequence import Sequence

from triage.images.decode import Frames
from triage.images.decode_pool import DecodePool
from triage.images.display import modality_values
from triage.images.headers import read_header


@pytest.fixture(scope="module")
def plain(shared_data: Path) -> Path:
    return shared_data / "dicom" / "enhanced_mr_multiframe" / "emri_small.dcm"


@pytest.mark.parametrize("name", ["emri_small_RLE.dcm", "emri_small_jpeg_ls_lossless.dcm"])
def test_compressed_frames_are_those_of_the_plain_object_in_any_order(plain: Path, name: str) -> None:
    path = plain.with_name(name)
    expected = dcmread(plain).pixel_array
    with DecodePool(1, 20, 2**30) as pool:
        header = read_header(path)[1]
        for frame in (9, 0, 4, 5):
            assert np.array_equal(pool.read(path, header, frame=frame).values, expected[frame])


def test_a_frame_has_its_own_rescale_and_window(tmp_path: Path, plain: Path) -> None:
    dataset = dcmread(plain)
    dataset.PerFrameFunctionalGroupsSequence = Sequence([Dataset() for _ in range(dataset.NumberOfFrames)])
    for number, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        rescale, window = Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = number + 1, -10 * number, "US"
        window.WindowCenter, window.WindowWidth = 100 + number, 50
        frame.PixelValueTransformationSequence = Sequence([rescale])
        frame.FrameVOILUTSequence = Sequence([window])
    path = tmp_path / "rescaled.dcm"
    dcmwrite(path, dataset, enforce_file_format=True)
    header = read_header(path)[1]
    with Frames(path, header) as frames:
        for number in (3, 0):
            read = frames.read(number)
            assert np.array_equal(modality_values(read), dataset.pixel_array[number] * (number + 1.0) - 10 * number)
            assert (read.look.windows[0].center, read.look.windows[0].width) == (100 + number, 50)
