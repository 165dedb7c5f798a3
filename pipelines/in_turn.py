"""Several ways of doing the same, timed so that a busy machine slows all of them."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter


def in_turn(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each way, one after the other in each round, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            start = perf_counter()
            way()
            if number:
                times[name].append(1000 * (perf_counter() - start))
    return {name: median(values) for name, values in times.items()}
