"""The retinal OCT bundle in words and plain values: each B-scan for itself, a volume by its worst ones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data_schemas.bundle import Accepts, BundleManifest, FindingSpec, Fit, NetworkSpec, OodSpec, PrepareSpec, VolumeSpec
from data_schemas.study import InstanceHeader
from data_schemas.urgency import Level
from data_schemas.volume import StackFault
from pipelines.cohort import Case, read_cases
from pipelines.table import UNKNOWN
from pipelines.task import Grey, Target, Task, grey_of
from triage.images.pixels import StoredPixels
from triage.models.border import without_white_border

VERSION = "0.3.0"
MEAN, STD = 127 / 255, 128 / 255
"""What the ImageNet weights expect of values from 0 to 1."""
TARGETS: dict[str, Target] = {
    "referable": Target("referable disease", Level.HIGH, 0.90),
    "drusen_or_cnv": Target("drusen or choroidal neovascularisation", Level.HIGH, 0.95),
    "macular_oedema": Target("macular oedema", Level.HIGH, 0.95),
    "epiretinal_membrane": Target("epiretinal membrane", Level.ROUTINE, 0.95),
    "vitreomacular": Target("vitreomacular interface disease", Level.ROUTINE, 0.95),
    "vein_occlusion": Target("retinal vein occlusion", Level.HIGH, 0.95),
}
HAS: Mapping[str, frozenset[str]] = {
    "drusen_or_cnv": frozenset({"AMD", "CNV", "DRUSEN"}),
    "macular_oedema": frozenset({"DME"}),
    "epiretinal_membrane": frozenset({"ERM"}),
    "vitreomacular": frozenset({"VID"}),
    "vein_occlusion": frozenset({"RVO"}),
}
NORMAL = frozenset({"NORMAL", "NO"})
DISEASES = frozenset({"RAO"}).union(*HAS.values())
"""All that OCTDL and OCT2017 name."""
MAY_HAVE: Mapping[str, frozenset[str]] = {
    "drusen_or_cnv": frozenset({"ERM"}),
    "macular_oedema": frozenset({"ERM", "RVO"}),
    "epiretinal_membrane": frozenset({"DME", "RVO"}),
    "vein_occlusion": frozenset({"DME"}),
}
"""Diseases beside which a finding may go unmentioned, as each scan has one label."""
KNOWN_LIMITS = (
    "Scans come from two collections and two makers' devices. Disease and device go together (choroidal "
    "neovascularisation from one only, most else from the other): compare the figures within one collection.",
    "Each scan has one label; a second disease of the same eye goes unmentioned.",
    "Central scans of eyes that were worth publishing: a whole volume holds many scans that show less.",
    "Training scans were 8-bit pictures of at most 384 pixels; white borders were blackened.",
)


def read_scans(folder: Path) -> list[Case]:
    """The rows of manifest.csv, in the file's order. Raises TriageError that names what cannot be used."""
    return read_cases(
        folder,
        ("image", "patient_id", "label", "source"),
        lambda row: Case(
            image=folder / row["image"],
            patient_id=row["patient_id"],
            age_years=UNKNOWN,
            source=row["source"],
            labels=labels_of(row["label"]),
        ),
    )


def labels_of(disease: str) -> dict[str, float]:
    """What one label says of each finding, nothing where it is empty. Raises ValueError for one that is not known."""
    disease = disease.upper()
    if disease and disease not in DISEASES | NORMAL:
        raise ValueError(f"label is {disease!r}, none of {', '.join(sorted(DISEASES | NORMAL))}")
    found = {"referable": float(disease not in NORMAL)}
    for name, diseases in HAS.items():
        unknown = disease in MAY_HAVE.get(name, frozenset())
        found[name] = UNKNOWN if unknown else float(disease in diseases)
    return found if disease else dict.fromkeys(found, UNKNOWN)


def scan(path: Path) -> Grey:
    """A B-scan with its white border darkened, as preparing does, before anything is changed about it."""
    return np.asarray(without_white_border(grey_of(path)), dtype=np.uint8)


def dressed(values: Grey) -> StoredPixels:
    """8-bit grey as a frame of an ophthalmic tomography image."""
    rows, columns = values.shape
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.77.1.5.4",
        transfer_syntax_uid="",
        modality="OPT",
        rows=rows,
        columns=columns,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        has_pixels=True,
    )
    return StoredPixels(values, header)


def prepare_spec(side: int) -> PrepareSpec:
    """Stretched to a square: devices differ in how wide and deep they scan, not in what lies above what."""
    return PrepareSpec(
        height=side,
        width=side,
        fit=Fit.STRETCH,
        dark_border=True,
        low_percentile=0.5,
        high_percentile=99.5,
        mean=MEAN,
        std=STD,
        channels=1,
    )


def manifest(side: int, network: NetworkSpec, findings: tuple[FindingSpec, ...], ood: OodSpec) -> BundleManifest:
    """The manifest before write_bundle fills in its hashes."""
    return BundleManifest(
        name="oct",
        version=VERSION,
        title="Optical coherence tomography of the macula",
        purpose="Orders the reading of macular OCT by how probable a disease is that should be referred.",
        not_for=(
            "diagnosis, ruling anything out, the optic disc and the front of the eye, or any clinic where its figures "
            "have not been measured on local scans first."
        ),
        licence="Apache-2.0",
        origin=(
            "Trained on B-scans of OCTDL (Kulyabin et al. 2024, CC BY 4.0) and of OCT2017 (Kermany et al. 2018, CC BY "
            "4.0); attribution asked."
        ),
        network=network,
        accepts=Accepts(
            modalities=("OPT", "OP", "OCT"),
            body_parts=("EYE", "RETINA", "MACULA"),
            min_side_px=96,
            max_aspect=6.0,
            volume=VolumeSpec(
                orientations=(),
                min_slices=1,
                min_thickness_mm=0.0,
                wanted_thickness_mm=0.2,
                tolerates=tuple(StackFault),
                pooled=1,
            ),
        ),
        prepare=prepare_spec(side),
        findings=findings,
        ood=ood,
        test_vector_sha256="",
    )


TASK = Task(
    name="oct",
    unit="B-scan",
    targets=TARGETS,
    overall="referable",
    labels="Each scan has the one label that its publishers gave it.",
    known_limits=KNOWN_LIMITS,
    channels=1,
    prepare=prepare_spec,
    manifest=manifest,
    read=read_scans,
    grey=scan,
    dressed=dressed,
    outside=("chest film", "head CT", "photograph", "noise"),
    not_tested="photographs of the eye's background: none were at hand",
)
