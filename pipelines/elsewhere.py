"""What a way of fitting is worth on a collection that it has not seen: fitted to all others, asked about that one.

The nearest that data of several collections come to another hospital. Cross-validation by patient cannot tell it, for
there every collection is on both sides.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.cohort import Case, patients_of
from pipelines.cross_validation import Fitter, cross_validate
from pipelines.fit import Rows
from pipelines.judge import plain
from pipelines.metrics import Resamples
from pipelines.recipe import Recipe

LEAST = 10
"""Images with and without a finding that the collection asked about must have."""


def elsewhere(
    fitter: Fitter,
    cases: Sequence[Case],
    rows: Rows,
    labels: NDArray[np.float32],
    findings: Sequence[str],
    recipe: Recipe,
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """By finding and collection AUROC and counts, of the collection's images by a network that saw the others alone,
    and of them no patient who is in the collection too.

    `rows` and `labels` (n, findings) are those of the `cases`. A finding of which the others do not show both kinds, or
    the collection not enough, is left out there. Empty for a single collection.
    """
    told: dict[str, dict[str, Any]] = {finding: {} for finding in findings}
    names, codes = np.unique([case.source for case in cases], return_inverse=True)
    if len(names) < 2:
        return told
    patients = patients_of(cases)
    logits = cross_validate(fitter, rows, labels, codes.astype(np.int64), patients, folder, lambda *told: None).logits
    for code, name in enumerate(names):
        here = codes == code
        for column, finding in enumerate(findings):
            known, taught = here & ~np.isnan(labels[:, column]), labels[~np.isin(patients, patients[here]), column]
            positive = labels[known, column] == 1
            if min(positive.sum(), (~positive).sum()) < LEAST or not ((taught == 1).any() and (taught == 0).any()):
                continue
            drawn = Resamples.of(patients[known], seed=recipe.seed, resamples=recipe.resamples)
            told[finding][str(name)] = {
                "positives": int(positive.sum()),
                "negatives": int((~positive).sum()),
                "auroc": plain(drawn.auroc(logits[known, column], positive)),
            }
    return told
