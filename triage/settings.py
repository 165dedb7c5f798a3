"""All settings, read once from the environment (prefix TRIAGE_) or a .env file; docs/settings.md lists each one."""

import os
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data_schemas.errors import SettingsError

MIB = 1024 * 1024
SHIPPED_BUNDLES = Path(__file__).parent / "bundles"
WORDS = Path(__file__).parent / "ui" / "components" / "words"


class Settings(BaseSettings):
    """Where things are, and the limits within which they work."""

    model_config = SettingsConfigDict(env_prefix="TRIAGE_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(
        Path.home() / ".triage", description="Folder of the database, the images, the token and the cache."
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL of a PostgreSQL database; empty: a SQLite file in the home folder."
    )
    bundles: Path = Field(SHIPPED_BUNDLES, description="Folder whose subfolders are model bundles.")
    runtime: Literal["auto", "onnx", "torch"] = Field(
        "auto", description="What computes scores: torch on a GPU where there is one, else ONNX Runtime (auto)."
    )
    host: str = Field("127.0.0.1", description="Address the page listens on; only loopback is allowed.")
    port: int = Field(8501, ge=1, le=65535, description="Port the page listens on.")
    language: str = Field("en", description="Language of the page: the name of a file in `triage/ui/components/words`.")
    time_zone: str = Field("", description="Zone of all times shown, such as Europe/Berlin; empty: the machine's own.")
    nifti_modality: str = Field(
        "", description="Modality of NIfTI volumes, such as CT, where the sender names none; empty: not known."
    )
    quiet_seconds: float = Field(
        10.0,
        ge=0,
        description="A study that comes slice by slice is screened when none came for this long, in seconds.",
    )
    max_file_mib: int = Field(2047, ge=1, description="Largest single file, in MiB.")
    max_archive_mib: int = Field(8192, ge=1, description="Largest sum of unpacked members of one archive, in MiB.")
    max_archive_ratio: float = Field(200.0, gt=1, description="Largest unpacked size over packed size of one member.")
    max_files: int = Field(20_000, ge=1, description="Most files in one upload, folder or archive.")
    max_rows: int = Field(16_384, ge=1, description="Most rows or columns of an image.")
    max_pixels: int = Field(120_000_000, ge=1, description="Most rows x columns of one image.")
    min_free_mib: int = Field(
        512, ge=0, description="Intake stops, saying so, when less disk than this is free, in MiB."
    )
    decode_processes: int = Field(2, ge=1, description="Child processes that decode compressed pixels.")
    decode_seconds: float = Field(30.0, gt=0, description="Longest time for the pixels of one image, in seconds.")
    decode_mib: int = Field(2048, ge=256, description="Most memory a decoding child process may take, in MiB.")
    worker_threads: int = Field(2, ge=1, le=4, description="Studies that one worker process screens at the same time.")

    @model_validator(mode="after")
    def _loopback_only(self) -> Self:
        """Every wider address needs a login, which this version does not have."""
        if self.host != "localhost" and not ip_address(self.host).is_loopback:
            raise ValueError(f"host {self.host} is not loopback; reach the page through an SSH tunnel instead")
        return self

    @model_validator(mode="after")
    def _known_place(self) -> Self:
        if not (WORDS / f"{self.language}.json").is_file():
            known = ", ".join(sorted(path.stem for path in WORDS.glob("*.json")))
            raise ValueError(f"there is no language {self.language!r}, only {known}")
        if self.time_zone and self.time_zone not in available_timezones():
            raise ValueError(f"there is no time zone {self.time_zone!r}; name one as the IANA does, Europe/Berlin")
        return self

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone in force."""
        return ZoneInfo(self.time_zone or machine_zone())

    @cached_property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.home / 'triage.sqlite3'}"

    @property
    def files(self) -> Path:
        """Images and maps, by hash."""
        return self.home / "files"

    @property
    def spool(self) -> Path:
        """Files that are still arriving."""
        return self.home / "spool"

    @property
    def cache(self) -> Path:
        """Runtime files that can be rebuilt at any time."""
        return self.home / "cache"


def machine_zone() -> str:
    """The machine's zone by its IANA name, which browsers need; UTC where the machine does not tell."""
    stated = os.environ.get("TZ", "").lstrip(":") or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return stated if stated in available_timezones() else "UTC"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment, `overrides` first. Raises SettingsError with one sentence for the first fault."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # pydantic checks the values
    except ValidationError as error:
        first = error.errors()[0]
        name = "TRIAGE_" + "_".join(str(part) for part in first["loc"]).upper() if first["loc"] else "settings"
        raise SettingsError(f"{name}: {first['msg']}; see docs/settings.md") from error
