"""Maps written as files: of a series as a volume on its own grid."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.bundles import write_slice_reader
from tests.volumes import ct_series, head, sent
from triage.assembly import Screener, open_site
from triage.explain.drawing import on_image
from triage.explanations import write_explanations
from triage.settings import load_settings
from triage.store.screenings import record_screening
from triage.store.studies import explanations, study_record, study_to_screen


def test_the_map_of_a_series_is_a_nifti_volume_on_the_grid_of_its_slices(tmp_path: Path) -> None:
    write_slice_reader(tmp_path / "bundles" / "slices")
    settings = load_settings(home=tmp_path / "home", bundles=tmp_path / "bundles")
    store = open_site(settings)
    uid = sent(store, ct_series(tmp_path / "ct", head(10, bleed=True), lean_mm=0.4)).study_instance_uid
    with Screener(settings) as screener:
        result, maps = screener.process(study_to_screen(store, uid))
        record_screening(store, result, maps, revision=study_record(store, uid).revision)
        written = list(
            write_explanations(store, screener, uid, finding="haemorrhage", method="gradcam", out=tmp_path / "out")
        )
    [one] = written
    volume = nibabel.load(one["map"])
    assert volume.shape == (96, 96, 10)
    [kept] = [found for found in explanations(store, uid) if found.header.finding == "haemorrhage"]
    step = float(kept.values.max()) / 32767
    for place in (0, 4, 9):
        assert pytest.approx(on_image(kept.plane(place)), abs=step) == volume.get_fdata()[..., place].T
    [series] = result.volumes
    assert series.facts is not None
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    assert volume.affine == pytest.approx(to_ras @ np.array(series.facts.affine), abs=1e-4)
    assert one["slices"] == 10
    assert Path(one["overlay"]).stat().st_size > 0
    assert one["sop_instance_uid"] == series.slices[kept.header.driving].sop_instance_uid
