"""Files, folders and archives from the browser; each goes straight to our own route."""

from data_schemas.urgency import Level
from triage.ui.components import part
from triage.ui.navigation import open_study
from triage.ui.site import place, settings

NIFTI = ("", "CT", "MR", "PT", "OPT")
"""What may be said of NIfTI volumes."""


def page() -> None:
    """The drop zone; Python hears only which study is to be opened."""
    limits = settings()
    modality = limits.nifti_modality.upper()
    data = {
        "max_files": limits.max_files,
        "max_file_mib": limits.max_file_mib,
        "priorities": list(Level),
        "priority": Level.ROUTINE,
        "modalities": list(dict.fromkeys((*NIFTI, modality))),
        "modality": modality,
        **place(),
    }
    result = part("upload")(key="upload", data=data, on_open_change=lambda: None)
    if result.open:
        open_study(result.open)
