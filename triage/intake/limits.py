"""What intake accepts."""

from dataclasses import dataclass, field

from triage.images.opening import ReadLimits

MIB = 1024 * 1024


@dataclass(frozen=True)
class IntakeLimits:
    """Bounds of one upload; every one is a setting."""

    max_file_bytes: int = 2047 * MIB
    max_archive_bytes: int = 8192 * MIB
    """Largest sum of the unpacked members of one archive."""
    max_archive_ratio: float = 200.0
    """Largest unpacked size over packed size of one member."""
    max_files: int = 20_000
    min_free_bytes: int = 512 * MIB
    """Disk that must stay free behind a file."""
    read: ReadLimits = field(default_factory=ReadLimits)
