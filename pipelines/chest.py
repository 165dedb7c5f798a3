"""The chest-radiograph bundle in words and plain values: what it looks for, takes, is for and is not for."""

from functools import partial

from data_schemas.bundle import (
    Accepts,
    BundleManifest,
    Code,
    FindingSpec,
    Fit,
    NetworkSpec,
    OodSpec,
    PrepareSpec,
)
from data_schemas.urgency import Level
from pipelines.cohort import ABNORMAL, read_cohort
from pipelines.outside import dressed
from pipelines.task import Target, Task, grey_of

MIN_AGE_YEARS = 18.0
MEAN, STD = 127 / 255, 128 / 255
"""What the ImageNet weights expect of values from 0 to 1."""
VERSION = "0.3.0"
SNOMED = "SCT"
KNOWN_LIMITS = (
    "All films come from one hospital. A linear probe on the same network lost much on other hospitals' patients when "
    "it was tried there (lung opacity 0.84 to 0.76, abnormal 0.87 to 0.74, nodule or mass 0.70 to 0.55): expect a "
    "loss, and measure on local films before anyone relies on the order.",
    "Labels were mined from reports; about one in ten is wrong.",
    "Films with and without findings come to different shares from two collections and two views. Compare the columns "
    "of the table: what is lost within collection and view was not the disease.",
    "Pneumothorax often comes with a drain already in place, which a network may see instead.",
    "Training films were 8-bit pictures of 512 pixels. Small nodules and thin pleural lines are lost at the network's "
    "input size.",
)
"""What is wrong with the data, for the card."""


TARGETS: dict[str, Target] = {
    "opacity": Target("lung opacity", Level.HIGH, 0.90, Code(scheme="DCM", value="112123", meaning="Opacity")),
    "effusion": Target(
        "pleural effusion", Level.HIGH, 0.90, Code(scheme=SNOMED, value="60046008", meaning="Pleural effusion")
    ),
    "pneumothorax": Target(
        "pneumothorax", Level.STAT, 0.95, Code(scheme=SNOMED, value="36118008", meaning="Pneumothorax")
    ),
    "cardiomegaly": Target(
        "cardiomegaly", Level.ROUTINE, 0.90, Code(scheme=SNOMED, value="8186001", meaning="Cardiomegaly")
    ),
    "oedema": Target("lung oedema", Level.HIGH, 0.90, Code(scheme=SNOMED, value="19242006", meaning="Pulmonary edema")),
    "nodule_or_mass": Target("nodule or mass", Level.HIGH, 0.90),
    "abnormal": Target("any abnormality", Level.ROUTINE, 0.90),
}
"""By name, in the order of the network's outputs. ROUTINE lifts an order of LOW and nothing else."""


def prepare_spec(side: int) -> PrepareSpec:
    """Stretched to a square, as the training films already were; display values from their 0.5 to 99.5 percentile."""
    return PrepareSpec(
        height=side,
        width=side,
        fit=Fit.STRETCH,
        low_percentile=0.5,
        high_percentile=99.5,
        mean=MEAN,
        std=STD,
        channels=1,
    )


def accepts(side: int) -> Accepts:
    """Frontal chest radiographs of adults."""
    return Accepts(
        modalities=("CR", "DX"),
        body_parts=("CHEST", "THORAX", "LUNG", "LUNGS"),
        views=("PA", "AP"),
        min_age_years=MIN_AGE_YEARS,
        min_side_px=side,
        max_aspect=1.8,
    )


def manifest(side: int, network: NetworkSpec, findings: tuple[FindingSpec, ...], ood: OodSpec) -> BundleManifest:
    """The manifest before write_bundle fills in its hashes."""
    return BundleManifest(
        name="cxr",
        version=VERSION,
        title="Chest radiograph, frontal, adults",
        purpose="Orders the reading of frontal chest radiographs of adults by how probable urgent findings are.",
        not_for=(
            "diagnosis, ruling anything out, children, lateral views, or any hospital where its figures have not been "
            "measured on local films first."
        ),
        licence="Apache-2.0",
        origin=(
            "Trained on 8-bit frontal films of NIH ChestX-ray14 (Wang et al. 2017, NIH Clinical Center; unrestricted "
            "use, attribution asked) with text-mined labels and, where there are any, re-reads of the RSNA Pneumonia "
            "Detection Challenge 2018."
        ),
        network=network,
        accepts=accepts(side),
        prepare=prepare_spec(side),
        findings=findings,
        ood=ood,
        test_vector_sha256="",
    )


TASK = Task(
    name="cxr",
    unit="film",
    targets=TARGETS,
    overall=ABNORMAL,
    labels=(
        "Where radiologists read a film again, that decides about opacity and abnormality; a film whose report and "
        "re-read contradict each other counts for no other finding. All other labels were mined from reports by a "
        "program."
    ),
    known_limits=KNOWN_LIMITS,
    channels=1,
    prepare=prepare_spec,
    manifest=manifest,
    read=partial(read_cohort, min_age_years=MIN_AGE_YEARS),
    grey=grey_of,
    dressed=dressed,
    outside=("head CT", "OCT", "photograph", "noise"),
    not_tested="radiographs of hands and other limbs: none were at hand",
)
