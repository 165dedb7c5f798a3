import hashlib
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError
from tests.models import tiny
from triage.models import ood, runtime_onnx
from triage.models.bundle import TOLERANCE, Bundle, load_bundle, read_manifest, verify_bundle
from triage.models.bundle_files import write_bundle
from triage.models.networks import TABLE

ROOT = Path(__file__).parents[2]
Tiny = tuple[Path, BundleManifest]


@pytest.fixture
def copy(tiny_bundle: Tiny, tmp_path: Path) -> Path:
    """A bundle that the test may damage."""
    return Path(shutil.copytree(tiny_bundle[0], tmp_path / "tiny"))


@pytest.fixture(scope="module")
def onnx(tiny_bundle: Tiny, cache: Path) -> Bundle:
    return load_bundle(tiny_bundle[0], cache, "onnx")


@pytest.fixture(scope="module")
def through_torch(tiny_bundle: Tiny, cache: Path) -> Bundle:
    return load_bundle(tiny_bundle[0], cache, "torch")


def rewrite(directory: Path, **changes: object) -> None:
    """triage.json with top-level keys replaced."""
    path = directory / "triage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_file(directory: Path, name: str, key: str, content: bytes) -> None:
    """A file of the bundle and, to match, its hash in the manifest; `key` is dotted."""
    (directory / name).write_bytes(content)
    path = directory / "triage.json"
    whole = json.loads(path.read_text())
    *outer, last = key.split(".")
    place = whole
    for part in outer:
        place = place[part]
    place[last] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize("images", [1, 5])
def test_both_runtimes_give_the_same_scores_for_any_batch(onnx: Bundle, through_torch: Bundle, images: int) -> None:
    batch = tiny.batch(onnx.manifest, images)
    ours, theirs = onnx.score(batch), through_torch.score(batch)
    for name in ("logits", "maps", "features"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine.dtype == other.dtype == np.float32
        assert mine.shape == other.shape
        assert len(mine) == images
        np.testing.assert_allclose(mine, other, atol=TOLERANCE * max(1, np.abs(other).max()))
    assert np.abs(ours.logits).max() > 0.1


@pytest.mark.parametrize("name", ["densenet121", "resnet18", "cnn_transformer"])
def test_the_other_networks_become_bundles_too(name: str, tmp_path: Path, cache: Path) -> None:
    tiny.write(tmp_path / name, tiny.manifest(name))
    assert verify_bundle(tmp_path / name, cache).network.map_layer == TABLE[name].map_layer


def test_an_intact_bundle_verifies_and_names_its_weights(tiny_bundle: Tiny, cache: Path, onnx: Bundle) -> None:
    directory, manifest = tiny_bundle
    assert verify_bundle(directory, cache) == manifest
    weights = (directory / "models" / "weights.safetensors").read_bytes()
    assert onnx.identity.weights_sha256 == hashlib.sha256(weights).hexdigest()


def test_scores_are_the_same_from_several_threads(onnx: Bundle) -> None:
    batch = tiny.batch(onnx.manifest, 1)
    expected = onnx.score(batch).logits
    with ThreadPoolExecutor(4) as pool:
        for scores in pool.map(lambda _: onnx.score(batch), range(12)):
            np.testing.assert_array_equal(scores.logits, expected)


def test_matrices_are_stored_in_half_and_vectors_whole(tiny_bundle: Tiny) -> None:
    weights = load_file(tiny_bundle[0] / "models" / "weights.safetensors")
    assert {tensor.dtype for tensor in weights.values() if tensor.ndim > 1} == {np.dtype(np.float16)}
    assert {tensor.dtype for tensor in weights.values() if tensor.ndim == 1} == {np.dtype(np.float32)}


def test_scoring_on_the_cpu_imports_neither_torch_nor_monai_nor_captum(tiny_bundle: Tiny, cache: Path) -> None:
    directory, _ = tiny_bundle
    program = f"""
import sys
from pathlib import Path
import numpy as np
import triage.explain.drawing, triage.explain.gradcam, triage.explain.saliency, triage.models.prepare
from triage.models.bundle import load_bundle
from triage.models.calibration import finding_scores
bundle = load_bundle(Path({str(directory)!r}), Path({str(cache)!r}), "onnx")
raw = bundle.score(np.zeros((1, 1, {tiny.SIDE}, {tiny.SIDE}), dtype=np.float32))
finding_scores(bundle.manifest, raw.logits[0])
bundle.ood_distance(raw.features[0])
print(sorted({{"torch", "monai", "captum"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_changed_byte_in_the_weights_is_refused_with_both_hashes(copy: Path, cache: Path) -> None:
    path = copy / "models" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"weights\.safetensors is not the file of the manifest: SHA-256 \w{12}"):
        load_bundle(copy, cache, "onnx")


@pytest.mark.parametrize("name", ["weights", "ood", "test_vector"])
def test_a_missing_file_is_named(copy: Path, cache: Path, name: str) -> None:
    (copy / "models" / f"{name}.safetensors").unlink()
    with pytest.raises(BundleError, match=rf"models/{name}\.safetensors cannot be read \(No such file"):
        load_bundle(copy, cache, "onnx")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BundleError, match=r"triage\.json cannot be read"):
        load_bundle(tmp_path, cache, "onnx")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"color": 1}, "color: Extra inputs are not permitted"),
        ({"format": 2}, r"format 2 is not one this version reads \(1\)"),
        ({"findings": []}, "it has no finding"),
    ],
)
def test_a_manifest_with_a_fault_is_refused_with_the_place(
    copy: Path, cache: Path, changes: dict[str, object], reason: str
) -> None:
    rewrite(copy, **changes)
    with pytest.raises(BundleError, match=reason):
        load_bundle(copy, cache, "onnx")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ({"height": 100}, "100 x 64 is not a multiple of 32"),
        ({"std": 0.0}, "std is not above 0"),
        ({"low_percentile": 99.9}, "percentiles are not in order"),
    ],
)
def test_preparation_that_cannot_be_is_refused(copy: Path, cache: Path, prepare: dict[str, float], reason: str) -> None:
    whole = read_manifest(copy).prepare.model_dump(mode="json")
    rewrite(copy, prepare=whole | prepare)
    with pytest.raises(BundleError, match=reason):
        load_bundle(copy, cache, "onnx")


def test_a_path_that_leaves_the_bundle_is_refused(copy: Path, cache: Path) -> None:
    outside = copy.parent / "elsewhere.safetensors"
    shutil.copy(copy / "models" / "test_vector.safetensors", outside)
    rewrite(copy, test_vector="../elsewhere.safetensors")
    with pytest.raises(BundleError, match="points outside the bundle"):
        load_bundle(copy, cache, "onnx")


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_a_test_vector_that_does_not_come_out_is_refused(copy: Path, tmp_path: Path, runtime: str) -> None:
    path = copy / "models" / "test_vector.safetensors"
    tensors = load_file(path)
    tensors["logits"] = tensors["logits"] + np.float32(0.01)
    save_file(tensors, path)
    replace_file(copy, "models/test_vector.safetensors", "test_vector_sha256", path.read_bytes())
    with pytest.raises(BundleError, match="test vector with a difference of 0"):
        load_bundle(copy, tmp_path / "cache", runtime)


def test_statistics_of_another_network_are_refused(copy: Path, cache: Path) -> None:
    features = np.random.default_rng(0).normal(size=(9, 17)).astype(np.float32)
    other = ood.write_statistics(ood.fit(features, np.zeros(9, dtype=int)))
    replace_file(copy, "models/ood.safetensors", "ood.statistics_sha256", other)
    with pytest.raises(BundleError, match="statistics hold 17 features, the network gives 1280"):
        load_bundle(copy, cache, "onnx")


def test_statistics_that_are_no_statistics_are_refused(copy: Path, cache: Path) -> None:
    replace_file(copy, "models/ood.safetensors", "ood.statistics_sha256", b"nothing of the kind")
    with pytest.raises(BundleError, match=r"ood\.safetensors cannot be used"):
        load_bundle(copy, cache, "onnx")


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
def test_weights_of_another_network_are_refused_with_the_tensor(copy: Path, tmp_path: Path, runtime: str) -> None:
    path = copy / "models" / "weights.safetensors"
    tensors = load_file(path)
    del tensors["trunk._bn1.bias"]
    save_file(tensors, path)
    replace_file(copy, "models/weights.safetensors", "network.weights_sha256", path.read_bytes())
    with pytest.raises(BundleError, match=r"the weights do not fit the network: trunk\._bn1\.bias is missing"):
        load_bundle(copy, tmp_path / "cache", runtime)


def test_a_damaged_file_in_the_cache_is_built_again(
    tiny_bundle: Tiny, cache: Path, onnx: Bundle, tmp_path: Path
) -> None:
    (built,) = cache.glob(f"{onnx.identity.weights_sha256[:24]}-*.onnx")
    copy = Path(shutil.copytree(cache, tmp_path / "cache"))
    damaged = copy / built.name
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    again = load_bundle(tiny_bundle[0], copy, "onnx")
    batch = tiny.batch(onnx.manifest, 1)
    np.testing.assert_array_equal(again.score(batch).logits, onnx.score(batch).logits)
    assert not list(copy.glob("*.part"))


def test_an_intact_file_in_the_cache_is_used_as_it_is(
    tiny_bundle: Tiny, cache: Path, onnx: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_build(*_: object) -> Path:
        raise AssertionError("built although the file was there")

    monkeypatch.setattr(runtime_onnx, "_build", no_build)
    load_bundle(tiny_bundle[0], cache, "onnx")


def test_onnx_on_a_gpu_and_torch_without_one_are_refused(tiny_bundle: Tiny, cache: Path) -> None:
    with pytest.raises(BundleError, match="use torch for cuda"):
        load_bundle(tiny_bundle[0], cache, "onnx", "cuda")
    if not torch.cuda.is_available():
        with pytest.raises(BundleError, match="finds no GPU here"):
            load_bundle(tiny_bundle[0], cache, "torch", "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_scores_in_bfloat16_near_the_cpu(tiny_bundle: Tiny, cache: Path, onnx: Bundle) -> None:
    batch = tiny.batch(onnx.manifest, 4)
    on_gpu = load_bundle(tiny_bundle[0], cache, "torch", "cuda").score(batch)
    expected = onnx.score(batch).logits
    assert on_gpu.logits.dtype == np.float32
    np.testing.assert_allclose(on_gpu.logits, expected, atol=0.25 * max(1, np.abs(expected).max()))


def test_a_wrong_map_layer_does_not_verify(copy: Path, cache: Path) -> None:
    network = read_manifest(copy).network.model_dump(mode="json")
    rewrite(copy, network=network | {"map_layer": "trunk._bn1"})
    with pytest.raises(BundleError, match=r"'trunk\._bn1' is not the activation after the network's last norm"):
        verify_bundle(copy, cache)


def test_weights_too_large_for_float16_are_not_written(tmp_path: Path) -> None:
    manifest = tiny.manifest("resnet18")
    model = tiny.network(manifest)
    features = np.random.default_rng(0).normal(size=(9, 512)).astype(np.float32)
    with torch.no_grad():
        model.head.weight[0, 0] = 1e6
    with pytest.raises(BundleError, match=r"head\.weight is not finite in torch\.float16"):
        write_bundle(tmp_path / "big", manifest, model, ood.fit(features, np.zeros(9, dtype=int)))
    assert not (tmp_path / "big" / "triage.json").exists()


def test_writing_the_same_again_gives_the_same_files(tiny_bundle: Tiny, tmp_path: Path) -> None:
    tiny.write(tmp_path / "again", tiny.manifest())
    for path in sorted(tiny_bundle[0].rglob("*.*")):
        assert (tmp_path / "again" / path.relative_to(tiny_bundle[0])).read_bytes() == path.read_bytes(), path.name


def test_a_bundle_that_claims_to_know_a_sites_decision_is_refused(copy: Path) -> None:
    path = copy / "triage.json"
    content = json.loads(path.read_text())
    content["findings"][0]["set_by_site"] = {"own": 0.4, "set_at": "2026-11-26T09:00:00Z"}
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match="only a site's store may"):
        read_manifest(copy)
