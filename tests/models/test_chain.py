from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, LoadImaged
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from data_schemas.bundle import Fit
from tests.models import tiny
from triage.images.decode import decode
from triage.images.headers import read_header
from triage.models.chain import TriageReader, chain, probabilities
from triage.models.prepare import prepare

ORIENTATIONS = [None, ("R", "F"), ("L", "H"), ("F", "L"), ("H", "R")]


def radiograph(path: Path, values: np.ndarray, orientation: tuple[str, str] | None = None, **tags: object) -> Path:
    """A DX file with these 12-bit values."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.Modality = "PHANTOM^CHAIN", "PHANTOM", "DX"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    if orientation:
        dataset.PatientOrientation = list(orientation)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = values.astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(11).integers(0, 4096, (rows, columns), dtype=np.uint16)


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_monai_chain_gives_the_products_tensor_bit_for_bit(
    tmp_path: Path, fit: Fit, orientation: tuple[str, str] | None
) -> None:
    spec = tiny.manifest(fit=fit, channels=3).prepare
    path = radiograph(tmp_path / "a.dcm", noise(181, 243), orientation, WindowCenter=1900, WindowWidth=3000)
    item = chain(spec)({"image": str(path)})["image"]
    _, header = read_header(path)
    expected = prepare(decode(path, header, at_least_px=None), spec)
    assert isinstance(item, MetaTensor)
    assert item.numpy().tobytes() == expected.tensor.tobytes()
    (a, b, x), (c, d, y) = expected.to_image
    np.testing.assert_allclose(item.affine.numpy()[:2], [[d, c, 0, y], [b, a, 0, x]])


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("size", [(301, 203), (203, 302)])
def test_compose_inverse_finds_a_corner_mark_within_a_pixel(
    tmp_path: Path, fit: Fit, orientation: tuple[str, str] | None, size: tuple[int, int]
) -> None:
    rows, columns = size
    values = np.zeros(size, dtype=np.uint16)
    values[-15:, -15:] = 4000
    transforms = chain(tiny.manifest(fit=fit, mean=0.0, std=1.0, height=128, width=128, high_percentile=100).prepare)
    item = transforms({"image": str(radiograph(tmp_path / "a.dcm", values, orientation))})
    back = transforms.inverse({"image": item["image"]})["image"]
    assert back.shape == (1, rows, columns)
    weights = back[0].numpy().astype(np.float64)
    found = [float((weights * axis).sum() / weights.sum()) for axis in np.mgrid[0:rows, 0:columns]]
    assert found == pytest.approx([rows - 8, columns - 8], abs=1.0)


def test_maps_of_the_network_go_back_with_the_trace_of_their_image(tmp_path: Path) -> None:
    spec = tiny.manifest("resnet18", fit=Fit.STRETCH, height=128, width=128).prepare
    transforms = chain(spec, network="resnet18")
    item = transforms({"image": str(radiograph(tmp_path / "a.dcm", noise(256, 512)))})["image"]
    maps = MetaTensor(torch.arange(32, dtype=torch.float32).reshape(2, 4, 4))
    maps.copy_meta_from(item)
    back = transforms.inverse({"image": maps})["image"]
    assert back.shape == (2, 256, 512)
    # the first cell of this network looks at the first pixel, the next one 32 input pixels (64 rows, 128 columns) on
    np.testing.assert_allclose(back[1, 0:256:64, 0:512:128].numpy(), maps[1].numpy(), atol=0.6)


def test_the_reader_works_behind_monais_own_load_image(tmp_path: Path) -> None:
    values = noise(40, 30)
    path = radiograph(tmp_path / "a.dcm", values)
    loaded = Compose([LoadImaged(keys="image", reader=TriageReader(), image_only=True)])({"image": str(path)})["image"]
    assert loaded.shape == (40, 30)  # rows first, where MONAI's own reader transposes
    np.testing.assert_array_equal(loaded.numpy(), values)


def test_the_reader_takes_one_file_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one file"):
        TriageReader().read([tmp_path / "a", tmp_path / "b"])


def test_probabilities_are_those_of_the_product() -> None:
    assert probabilities(tiny.manifest(), torch.zeros(1, 3)) == pytest.approx(
        {"effusion": 0.4378, "nodule": 0.4378, "mass": 0.4378}, abs=1e-4
    )
