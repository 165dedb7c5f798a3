"""The same head gives the same volume and score, whatever order and axes it came in."""

from collections.abc import Iterator
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.score import StudyScreening
from tests.bundles import write_slice_reader
from tests.screening.test_screen import study_of
from tests.volumes import ct_series, head
from triage.images.decode_pool import DecodePool
from triage.images.opening import ReadLimits
from triage.intake.nifti import as_dicom, origin_of
from triage.models.bundle import Bundle, load_bundle
from triage.screening import screen

WITHIN = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SLICES, SIDE = 9, 72
AFFINE = np.array([[-2.0, 0, 0, 70], [0, -2.0, 0, 71], [0, 0, 5.0, -20], [0, 0, 0, 1]])
"""Columns to the left, rows to the back, slices to the head, in RAS."""


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    with DecodePool(1, 20, 2**30) as opened:
        yield opened


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("slices")
    write_slice_reader(folder / "slices")
    return load_bundle(folder / "slices", folder / "cache", "onnx", threads=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return ct_series(tmp_path_factory.mktemp("files"), head(SLICES, SIDE, bleed=True))


def probabilities(result: StudyScreening) -> list[float]:
    assert result.findings, result.urgency.reason
    return [one.probability for one in sorted(result.findings, key=lambda one: one.finding)]


@WITHIN
@given(order=st.permutations(range(SLICES)))
def test_any_order_of_files_gives_the_same_volume_and_score(
    files: list[Path], reader: Bundle, pool: DecodePool, order: list[int]
) -> None:
    plain, maps = screen(study_of(*files), [reader], pool)
    other, same = screen(study_of(*(files[place] for place in order)), [reader], pool)
    assert other.volumes == plain.volumes
    assert all(np.array_equal(one.values, two.values) for one, two in zip(maps, same, strict=True))


@WITHIN
@given(
    order=st.sampled_from(list(permutations(range(3)))),
    flips=st.sampled_from(list(product((1, -1), repeat=3))),
    shift=st.tuples(*[st.integers(-300, 300)] * 3),
)
def test_any_relabelling_of_axes_with_its_affine_gives_the_same_score(
    tmp_path: Path,
    reader: Bundle,
    pool: DecodePool,
    order: tuple[int, int, int],
    flips: tuple[int, int, int],
    shift: tuple[int, int, int],
) -> None:
    values = np.ascontiguousarray(head(SLICES, SIDE, bleed=True).transpose(2, 1, 0))
    axes = [[axis, flip] for axis, flip in zip(order, flips, strict=True)]
    relabelled = nibabel.orientations.apply_orientation(values, axes)
    affine = AFFINE @ nibabel.orientations.inv_ornt_aff(axes, values.shape)
    affine[:3, 3] += shift
    plain, other = (
        screen(study_of(taken(tmp_path, array, where)), [reader], pool)[0]
        for array, where in ((values, AFFINE), (relabelled, affine))
    )
    assert probabilities(other) == pytest.approx(probabilities(plain), abs=1e-6)


def taken(folder: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(values, affine), folder / "a.nii")
    return as_dicom(origin_of(folder / "a.nii", "a.nii", "CT"), folder, ReadLimits())
