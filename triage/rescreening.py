"""Screening again what models or operating points told that are no longer in force, when somebody asks for it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_schemas.bundle import BundleManifest
from triage.models.in_force import Difference, differences
from triage.store import Store
from triage.store.again import count_to_queue, queue_every, queue_study, queue_told_by, unread_by_basis

ASKED = "asked for"
"""The reason of what is queued whatever told its result."""


@dataclass(frozen=True)
class Outdated:
    """Unread studies whose newest results have one basis, and what is different now."""

    basis_sha256: str
    studies: int
    differences: tuple[Difference, ...]

    @property
    def why(self) -> str:
        """The differences in words."""
        return "; ".join(one.sentence for one in self.differences)

    def concerns(self, bundle: str) -> bool:
        """Whether any difference is about that model."""
        return any(one.bundle == bundle for one in self.differences)


def outdated(store: Store, manifests: Sequence[BundleManifest]) -> list[Outdated]:
    """Unread studies whose newest results were told by something else than the manifests say, the most first.

    `manifests` as `triage.assembly.manifests_in_force` gives them. Studies that wait for a result are not among them.
    """
    groups = [
        Outdated(group.basis_sha256, group.studies, differences(group.example, manifests))
        for group in unread_by_basis(store)
    ]
    return [group for group in groups if group.differences]


def rescreen_outdated(
    store: Store, groups: Sequence[Outdated], *, actor: str, dry_run: bool = False
) -> Mapping[str, int]:
    """Queues the studies of these groups, behind all that have no result yet; how many, by the reason."""
    if not dry_run:
        return queue_told_by(store, {group.basis_sha256: group.why for group in groups}, actor=actor)
    counted: Counter[str] = Counter()
    for group in groups:
        counted[group.why] += group.studies
    return counted


def rescreen_study(store: Store, study_uid: str, *, actor: str, dry_run: bool = False) -> Mapping[str, int]:
    """Queues this study, whatever told its result; none where it waits already. Raises NotFound."""
    if dry_run:
        return counted_as_asked(count_to_queue(store, study_uid))
    return queue_study(store, study_uid, actor=actor, why=ASKED)


def rescreen_every(store: Store, *, actor: str, dry_run: bool = False) -> Mapping[str, int]:
    """Queues every study that was ever screened, read ones too, whatever told its result."""
    if dry_run:
        return counted_as_asked(count_to_queue(store))
    return queue_every(store, actor=actor, why=ASKED)


def counted_as_asked(number: int) -> Mapping[str, int]:
    """The number with its reason; none for none."""
    return {ASKED: number} if number else {}
