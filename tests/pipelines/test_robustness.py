"""Changes and attacks do what they say."""

import math
from functools import partial

import numpy as np
import pytest

from data_schemas.evaluation import Changed, Robustness
from data_schemas.study import InstanceHeader
from pipelines.evaluation_report import robustness_table
from pipelines.robustness import (
    ATTACKS,
    CHANGES,
    Attack,
    Said,
    attacked,
    attacks,
    blur,
    changed_values,
    compared,
    looked_at,
    noise,
    said,
)
from pipelines.wrapped import age_string, air
from tests.bundles import write_reader
from tests.models import tiny
from triage.images.pixels import Look, StoredPixels
from triage.models.bundle import Bundle, load_bundle

UNKNOWN = float("nan")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("reader")
    write_reader(folder / "reader")
    return load_bundle(folder / "reader", folder / "cache", "torch", threads=1)


def inputs(bundle: Bundle) -> np.ndarray:
    """Six images as `prepare` gives them, within the range of grey."""
    spec = bundle.manifest.prepare
    return np.clip(tiny.batch(bundle.manifest, 6), -spec.mean / spec.std, (1 - spec.mean) / spec.std)


def logits(bundle: Bundle, tensors: np.ndarray) -> np.ndarray:
    return bundle.score(np.ascontiguousarray(tensors)).logits


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_attacks_lead_away_from_the_label_and_stay_within_their_strength(reader, label):
    spec, tensors = reader.manifest.prepare, inputs(reader)
    labels = np.full((6, 2), label, np.float32)
    labels[:, 1] = UNKNOWN
    before = logits(reader, tensors)[:, 0]
    away = {}
    for name, steps in (("FGSM", 1), ("PGD", 10)):
        found = attacked(reader, tensors, labels, Attack(name, "", 4 / 255, steps))
        assert np.abs(found - tensors).max() <= 4 / 255 / spec.std + 1e-5
        assert found.min() >= -spec.mean / spec.std - 1e-6 and found.max() <= (1 - spec.mean) / spec.std + 1e-6
        away[name] = (logits(reader, found)[:, 0] - before) * (1 - 2 * label)
    assert (away["PGD"] > 0).all() and away["FGSM"].mean() > 0
    assert away["PGD"].mean() > away["FGSM"].mean()


def test_each_attack_is_reported_with_its_figures(reader):
    tensors = list(inputs(reader))
    labels = [{"effusion": float(place % 2), "nodule": UNKNOWN} for place in range(6)]
    found = list(attacks(reader, tensors, labels))
    assert [(one.change, one.strength) for one in found] == [(attack.name, attack.strength) for attack in ATTACKS]
    weak, strong = found[2].findings["effusion"], found[3].findings["effusion"]
    assert weak.auroc_unchanged == strong.auroc_unchanged and strong.auroc <= weak.auroc <= weak.auroc_unchanged
    assert strong.mean_change > 0 and weak.mean_change > 0
    assert "nodule" not in found[0].findings
    assert [one for one, stopped in said(reader, np.stack(tensors)) if not stopped]


def stored(values: np.ndarray, **look: float) -> StoredPixels:
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1",
        transfer_syntax_uid="1",
        rows=values.shape[0],
        columns=values.shape[1],
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
    )
    return StoredPixels(values, header, Look(**look))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.name} {change.strength}")
def test_a_change_keeps_type_and_range_and_changes_something(change):
    values = np.random.default_rng(0).integers(0, 4096, (64, 80)).astype(np.uint16)
    spec = tiny.manifest().prepare
    found = changed_values(stored(values), change, spec, np.random.default_rng(1))
    assert found.dtype == values.dtype and found.shape == values.shape and found.max() <= 4095
    assert (found != values).any()


def test_noise_and_blur_are_as_strong_as_they_say():
    grey = np.full((256, 256), 0.5, np.float32)
    assert noise(0.05, grey, np.random.default_rng(0)).std() == pytest.approx(0.05, rel=0.02)
    point = np.zeros((257, 257), np.float32)
    point[128, 128] = 1
    spread = blur(2 / 257, point, np.random.default_rng(0))
    across = (spread.sum(axis=0) * (np.arange(257) - 128) ** 2).sum()
    assert math.sqrt(across) == pytest.approx(2, rel=0.05)


def test_of_a_ct_the_windows_alone_are_changed():
    from data_schemas.bundle import Values

    spec = tiny.manifest(values=Values.MODALITY, windows=((40.0, 80.0),), channels=1).prepare
    pixels = stored(np.array([[0, 1024], [1064, 4000]], np.uint16), slope=1.0, intercept=-1024.0)
    assert looked_at(pixels, spec) == (1024, 1104)
    change = CHANGES[0].__class__("noise", "", partial(noise, 0.3))
    found = changed_values(pixels, change, spec, np.random.default_rng(0))
    assert found[0, 0] == 0 and found[1, 1] == 4000 and found[1, 0] != 1064


def test_what_a_gate_stops_counts_for_no_figure():
    labels = [{"a": 1.0}, {"a": 0.0}, {"a": 1.0}]
    before = [Said({"a": score}, {"a": score > 0.5}) for score in (0.9, 0.1, 0.8)]
    after = [Said({"a": 0.4}, {"a": False}), Said({"a": 0.6}, {"a": True}), None]
    found = compared("noise", "much", before, after, labels)
    assert (found.images, found.stopped) == (3, 1)
    assert (found.findings["a"].auroc_unchanged, found.findings["a"].auroc) == (1, 0)
    assert found.findings["a"].flags_changed == 1 and found.findings["a"].mean_change == 0.5


def test_air_is_black_at_the_edge_and_nothing_inside_the_head():
    grey = np.zeros((64, 64), np.uint8)
    grey[16:48, 16:48] = 200
    grey[24:40, 24:40] = 0
    found = air(grey)
    assert found[0, 0] and not found[32, 32] and not found[13, 32] and found[8, 32]
    assert not air(np.full((64, 64), 90, np.uint8)).any()


def test_ages_are_written_as_dicom_writes_them():
    assert [age_string(years) for years in (61.0, 61.9, 0.5, 1.5)] == ["061Y", "061Y", "006M", "018M"]


def test_a_report_says_where_no_changed_image_was_let_through():
    stopped = Changed(change="noise", strength="deviation 0.05", images=4, stopped=4, findings={})
    table = robustness_table(Robustness(studies=4, unit="the image", changes=(stopped,)))
    assert "| noise | deviation 0.05 | 4 of 4 | – |" in table
    heading = next(line for line in table.splitlines() if line.startswith("| change"))
    assert table.splitlines()[-1].count("|") == heading.count("|")
