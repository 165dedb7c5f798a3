"""What a result was told by: which models judged the study's images, from which operating points."""

import hashlib
import json

from data_schemas.score import Judged, StudyScreening


def basis_sha256(screening: StudyScreening) -> str:
    """Equal for results by the same models at the same operating points, whatever they say.

    Part of a result's key: what is screened again after a change is another result. A point that a site set counts with
    the date of its decision. Of images that no model reads it holds the modality, for one that does may come.
    """
    told = {one for part in screening.judged for one in of_part(part)}
    return hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest()


def of_part(one: Judged) -> set[tuple[str, ...]]:
    """The same of one image or series, as text."""
    if one.bundle is None:
        return {("read by none", gate.value) for gate in one.gates}
    model = (one.bundle.name, one.bundle.version, one.bundle.weights_sha256)
    points = {
        (one.bundle.name, score.finding, repr(score.operating_point), when.set_at.isoformat() if when else "")
        for score in one.scores
        for when in (score.set_by_site,)
    }
    return {model} | points
