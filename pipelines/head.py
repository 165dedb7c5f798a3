"""The head-CT bundle in words and plain values; its slices are pooled to a study."""

from pathlib import Path

import numpy as np

from data_schemas.bundle import (
    Accepts,
    BundleManifest,
    Code,
    FindingSpec,
    Fit,
    NetworkSpec,
    OodSpec,
    PrepareSpec,
    Values,
    VolumeSpec,
)
from data_schemas.study import InstanceHeader
from data_schemas.urgency import Level
from data_schemas.volume import Orientation, StackFault
from pipelines.bleeds import paint
from pipelines.cohort import Case, read_cases
from pipelines.table import label_in, number_in
from pipelines.task import Grey, Target, Task, grey_of
from triage.images.pixels import Look, StoredPixels

VERSION = "0.3.0"
MEAN, STD = 127 / 255, 128 / 255
"""What the ImageNet weights expect of values from 0 to 1."""
WINDOW = (40.0, 120.0)
"""Level and width of the window that is burnt into the training slices."""
WINDOWS = (WINDOW, (40.0, 80.0), (60.0, 60.0))
"""What the network sees, one window a channel: the brain, and narrower ones in which fresh blood stands out."""
POOLED = 5
SOFT_NOISE_HU = 20.0
"""Noise of soft tissue up to which a kernel is no sharp one."""
SNOMED = "SCT"
TARGETS: dict[str, Target] = {
    "haemorrhage": Target(
        "intracranial haemorrhage",
        Level.STAT,
        0.90,
        Code(scheme=SNOMED, value="1386000", meaning="Intracranial hemorrhage"),
    ),
    "intraparenchymal": Target("intraparenchymal haemorrhage", None, 0.95),
    "epidural": Target("epidural haemorrhage", None, 0.95),
}
COLUMNS = {name: name for name in TARGETS} | {"haemorrhage": "hemorrhage"}
KNOWN_LIMITS = (
    "All scans come from one hospital and one kind of scanner, of patients after an accident whose mean age is 28. "
    "Another hospital's scans, older patients and bleeds without an accident were not seen.",
    "Training slices were 8-bit pictures of the brain window (level 40, width 120), compressed twice. What lies "
    "outside that window, and what compression took, the network has not seen.",
    "The side of the input (384 rather than 256 pixels), its three windows (rather than one), the penalty and how many "
    "slices are pooled were chosen by the same cross-validation that gives the figures, which flatters them a little.",
    "Intraventricular, subarachnoid and subdural haemorrhage occur in 5, 7 and 4 patients: too few to be findings of "
    "their own. They count as intracranial haemorrhage.",
    "Fractures are labelled in the data and were not learnt: in the brain window bone is white throughout.",
    "Small bleeds on few slices are missed more often than large ones.",
    "The score answers to the whole slice more than to a small bright area: a bleed painted into a slice moves it "
    "little, and the map's brightest place is often elsewhere. The map does not point at the bleed.",
)


def read_slices(folder: Path) -> list[Case]:
    """The rows of manifest.csv, in the file's order. Raises TriageError that names what cannot be used."""
    return read_cases(
        folder,
        ("file", "patient", "age", *COLUMNS.values()),
        lambda row: Case(
            image=folder / row["file"],
            patient_id=row["patient"],
            age_years=number_in(row, ("age",)),
            source="CT-ICH",
            sex=row.get("sex") or "",
            labels={name: label_in(row, column) for name, column in COLUMNS.items()},
        ),
    )


def with_bleed(values: Grey, random: np.random.Generator) -> tuple[Grey, dict[str, float]] | None:
    """The slice with a painted bleed, and the labels that it then has; None where none can be painted."""
    painted = paint(values, random)
    if painted is None:
        return None
    return painted.values, {name: float(name in ("haemorrhage", painted.kind)) for name in TARGETS}


def dressed(values: Grey) -> StoredPixels:
    """8-bit grey as the CT slice it was: 0 to 255 are -20 to 100 Hounsfield units."""
    rows, columns = values.shape
    center, width = WINDOW
    header = InstanceHeader(
        study_instance_uid="1",
        series_instance_uid="1",
        sop_instance_uid="1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="",
        modality="CT",
        rows=rows,
        columns=columns,
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        bits_stored=8,
        high_bit=7,
        has_pixels=True,
    )
    return StoredPixels(values, header, Look(slope=width / 255, intercept=center - width / 2))


def prepare_spec(side: int) -> PrepareSpec:
    """Windows of Hounsfield units as channels, aspect kept."""
    return PrepareSpec(
        values=Values.MODALITY,
        windows=WINDOWS,
        height=side,
        width=side,
        fit=Fit.PAD,
        mean=MEAN,
        std=STD,
        channels=len(WINDOWS),
    )


def manifest(side: int, network: NetworkSpec, findings: tuple[FindingSpec, ...], ood: OodSpec) -> BundleManifest:
    """The manifest before write_bundle fills in its hashes."""
    return BundleManifest(
        name="head_ct",
        version=VERSION,
        title="Head CT without contrast",
        purpose="Orders the reading of head CT by how probable an intracranial haemorrhage is, slice by slice.",
        not_for=(
            "diagnosis, ruling anything out, scans with contrast medium, the face and neck, or any hospital where its "
            "figures have not been measured on local scans first."
        ),
        licence="Apache-2.0",
        origin=(
            "Trained on brain-window slices of CT-ICH 1.0.0 (Hssayeni et al. 2020, doi:10.13026/w8q8-ky94, CC BY 4.0; "
            "attribution asked)."
        ),
        network=network,
        accepts=Accepts(
            modalities=("CT",),
            body_parts=("HEAD", "BRAIN", "SKULL"),
            min_side_px=128,
            max_aspect=1.6,
            without_contrast=True,
            volume=VolumeSpec(
                orientations=(Orientation.AXIAL,),
                min_slices=8,
                min_thickness_mm=0.4,
                max_thickness_mm=10.0,
                wanted_thickness_mm=5.0,
                wanted_noise=SOFT_NOISE_HU,
                tolerates=(StackFault.TILT, StackFault.SPACING, StackFault.SHIFT, StackFault.POSITION),
                pooled=POOLED,
            ),
        ),
        prepare=prepare_spec(side),
        findings=findings,
        ood=ood,
        test_vector_sha256="",
    )


TASK = Task(
    name="head_ct",
    unit="scan",
    targets=TARGETS,
    overall="haemorrhage",
    labels="Two radiologists read every slice; a scan has a finding where one of its slices has it.",
    known_limits=KNOWN_LIMITS,
    channels=len(WINDOWS),
    prepare=prepare_spec,
    manifest=manifest,
    read=read_slices,
    grey=grey_of,
    dressed=dressed,
    outside=("chest film", "OCT", "photograph", "noise"),
    not_tested="CT of other parts of the body: none was at hand",
    paint=with_bleed,
    pooled=POOLED,
)
