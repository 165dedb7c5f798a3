"""Puts the rooms together as the settings say: the store, the bundles, the decoder and the path of a study."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from data_schemas.bundle import BundleManifest
from data_schemas.errors import BundleError, NotFound
from data_schemas.explanation import Explanation
from data_schemas.operating_point import SitePoint
from data_schemas.score import StudyScreening
from data_schemas.study import StudyToScreen
from triage.images.decode_pool import DecodePool
from triage.images.opening import ReadLimits
from triage.intake.limits import IntakeLimits
from triage.models.bundle import Bundle, Device, RuntimeName, load_bundle, read_manifest
from triage.models.site_points import acting_from, at_points
from triage.screening import explain, screen
from triage.settings import Settings
from triage.store import Store, migrate, open_store
from triage.store.operating_points import site_points


def open_site(settings: Settings) -> Store:
    """The store of this home, with its folders and its newest tables."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = open_store(settings.url, settings.files)
    migrate(store)
    return store


def bundle_folders(settings: Settings) -> list[Path]:
    """Every folder that holds a manifest, by name."""
    return sorted(manifest.parent for manifest in settings.bundles.glob("*/triage.json"))


def manifest_of(settings: Settings, name: str) -> BundleManifest:
    """The manifest of the installed bundle of that name. Raises NotFound, and BundleError for one that is at fault."""
    names = []
    for folder in bundle_folders(settings):
        manifest = read_manifest(folder)
        if manifest.name == name:
            return manifest
        names.append(manifest.name)
    raise NotFound(f"there is no model {name!r}; installed: {', '.join(names) or 'none'}")


def manifests_in_force(settings: Settings, store: Store) -> list[BundleManifest]:
    """The installed bundles as they act here: at this site's own operating points where it set any.

    Raises BundleError for the first that is at fault.
    """
    points = site_points(store)
    return [at_points(read_manifest(folder), points) for folder in bundle_folders(settings)]


def read_limits(settings: Settings) -> ReadLimits:
    """What the reader of headers accepts."""
    return ReadLimits(
        max_file_bytes=settings.max_file_mib * 1024 * 1024,
        max_rows=settings.max_rows,
        max_columns=settings.max_rows,
        max_pixels=settings.max_pixels,
    )


def intake_limits(settings: Settings) -> IntakeLimits:
    """What intake accepts."""
    return IntakeLimits(
        max_file_bytes=settings.max_file_mib * 1024 * 1024,
        max_archive_bytes=settings.max_archive_mib * 1024 * 1024,
        max_archive_ratio=settings.max_archive_ratio,
        max_files=settings.max_files,
        min_free_bytes=settings.min_free_mib * 1024 * 1024,
        read=read_limits(settings),
    )


@dataclass
class Screener:
    """What a worker holds while it runs: bundles loaded once, and warm decoding children. Use as a context manager."""

    settings: Settings
    _lock: Lock = field(default_factory=Lock)

    @cached_property
    def pool(self) -> DecodePool:
        """Child processes for compressed pixels, started at first use."""
        return DecodePool(
            processes=self.settings.decode_processes,
            seconds=self.settings.decode_seconds,
            memory_bytes=self.settings.decode_mib * 1024 * 1024,
        )

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """Every shipped bundle, verified. Raises BundleError for the first that must not be used."""
        folders = bundle_folders(self.settings)
        if not folders:
            raise BundleError(f"no model bundle in {self.settings.bundles}; set TRIAGE_BUNDLES to a folder of bundles")
        return tuple(self._load(folder) for folder in folders)

    def warm_up(self) -> None:
        """Loads every bundle now. Raises BundleError for the first that must not be used."""
        with self._lock:
            _ = self.bundles

    def process(
        self, request: StudyToScreen, points: Sequence[SitePoint] = ()
    ) -> tuple[StudyScreening, tuple[Explanation, ...]]:
        """The whole path of one study, at the site's own operating points; safe to call from several threads."""
        with self._lock:
            bundles, pool = self.bundles, self.pool
        return screen(request, [acting_from(bundle, points) for bundle in bundles], pool)

    def explain(
        self, request: StudyToScreen, screening: StudyScreening, *, finding: str, method: str
    ) -> tuple[Explanation, ...]:
        """Maps of one finding by one method, for every image of the study that was scored."""
        with self._lock:
            bundles, pool = self.bundles, self.pool
        return explain(request, screening, bundles, pool, finding=finding, method=method)

    def explain_later(self, request: StudyToScreen, screening: StudyScreening) -> tuple[Explanation, ...]:
        """The slower maps, made after the score is committed: saliency of the finding that leads the study."""
        if not screening.findings:
            return ()
        return self.explain(request, screening, finding=screening.findings[0].finding, method="saliency")

    def _load(self, folder: Path) -> Bundle:
        runtime = self._runtime()
        device: Device = "cuda" if runtime == "torch" and gpu_present() else "cpu"
        return load_bundle(folder, self.settings.cache, runtime, device)

    def _runtime(self) -> RuntimeName:
        if self.settings.runtime != "auto":
            return self.settings.runtime
        return "torch" if gpu_present() else "onnx"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "pool" in self.__dict__:
            self.pool.close()


def gpu_present() -> bool:
    """Whether the NVIDIA driver shows a device, found without importing torch."""
    return Path("/proc/driver/nvidia/gpus").is_dir() and any(Path("/proc/driver/nvidia/gpus").iterdir())
