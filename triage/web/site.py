"""What all requests share: settings, the store, the decoder of pixels and the token, opened once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from data_schemas.explanation import Explanation
from triage.assembly import open_site, read_limits
from triage.images.decode_pool import DecodePool
from triage.settings import Settings
from triage.store import Store
from triage.store.studies import explanation_by_number
from triage.web.arrivals import Arrivals
from triage.web.door import read_token
from triage.web.pulse import Pulse
from triage.web.sharing import Sharing

ACTOR = "reader"
"""Who acts through the page: whoever holds the token."""
PIXEL_THREADS = 3
"""Images drawn at the same time; each holds an image several times over."""


class LastMap:
    """The map that was asked for last, for that of a series is asked for slice by slice."""

    def __init__(self) -> None:
        self.one_at_a_time = threading.Lock()
        self.found: tuple[int, Explanation] | None = None

    def read(self, store: Store, number: int) -> Explanation:
        """The map of that number. Raises NotFound."""
        with self.one_at_a_time:
            if self.found is None or self.found[0] != number:
                self.found = number, explanation_by_number(store, number)[1]
            return self.found[1]


@dataclass(frozen=True)
class Site:
    """One home, open for requests."""

    settings: Settings
    store: Store
    pool: DecodePool
    token: str
    arrivals: Arrivals
    pulse: Pulse = field(default_factory=Pulse)
    sharing: Sharing = field(default_factory=Sharing)
    last_map: LastMap = field(default_factory=LastMap)
    pixel_turns: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(PIXEL_THREADS))

    async def in_turn(self, work: Callable[[], bytes]) -> bytes:
        """Work on pixels in a thread, a few at a time."""
        return await anyio.to_thread.run_sync(work, limiter=self.pixel_turns)


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """The site, with its folders, tables and token; closed at the end."""
    site = new_site(settings)
    try:
        yield site
    finally:
        close(site)


def new_site(settings: Settings) -> Site:
    """Opens everything; decoding children start at the first compressed image."""
    store = open_site(settings)
    settings.spool.mkdir(parents=True, exist_ok=True)
    pool = DecodePool(
        processes=settings.decode_processes,
        seconds=settings.decode_seconds,
        memory_bytes=settings.decode_mib * 1024 * 1024,
        limits=read_limits(settings),
    )
    return Site(settings, store, pool, read_token(settings.home), Arrivals(settings.spool))


def close(site: Site) -> None:
    """Ends the decoding children and the connections."""
    site.pool.close()
    site.store.engine.dispose()
