"""Cohorts drawn in the test, findings plain to see: patients with two small films each, and scans of the head."""

import csv
from pathlib import Path

import cv2
import numpy as np

from pipelines import head

COLUMNS = (
    "image patient_id follow_up age sex view labels rsna_class original_width pixel_spacing_mm official_split source "
    "expert_fracture expert_pneumothorax expert_airspace_opacity expert_nodule_or_mass"
).split()
STATED = ("No Finding", "Pneumonia", "Effusion", "Pneumothorax", "Cardiomegaly", "Edema", "Nodule|Mass", "No Finding")
SIDE = 72
SLICES = 8
BLEEDS = [*head.COLUMNS.values()]


def film(number: int, labels: str) -> np.ndarray:
    """Two dark lungs on grey; what the labels state is a bright patch of its own place."""
    random = np.random.default_rng(number)
    picture = np.full((SIDE, SIDE), 150.0)
    for middle in (24, 48):
        cv2.ellipse(picture, (middle, 34), (9, 20), 0, 0, 360, 60.0, -1)
    if labels != "No Finding":
        place = STATED.index(labels)
        cv2.circle(picture, (12 + 8 * place, 20 + 5 * (place % 4)), 7, 235.0, -1)
    noisy = picture + random.normal(scale=6, size=picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def row(number: int, **changed: str) -> dict[str, str]:
    labels = STATED[number // 2 % len(STATED)]
    values = dict.fromkeys(COLUMNS, "")
    values |= {
        "image": f"film{number:03}.png",
        "patient_id": f"drawn-{number // 2:03}",
        "age": str(20 + number % 60),
        "view": "AP" if number % 3 else "PA",
        "labels": labels,
        "source": "first" if number % 4 < 2 else "second",
    }
    return values | changed


def write_cohort(folder: Path, patients: int = 32) -> Path:
    (folder / "images").mkdir(parents=True)
    rows = [row(number) for number in range(2 * patients)]
    rows.append(row(2 * patients, age="7"))
    for number, one in enumerate(rows):
        cv2.imwrite(str(folder / "images" / one["image"]), film(number, one["labels"]))
    write_manifest(folder, rows)
    return folder


def write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def drawn_slice(bleeds: bool, number: int) -> np.ndarray:
    picture = np.zeros((144, 144))
    cv2.ellipse(picture, (72, 72), (52, 60), 0, 0, 360, 255.0, 6)
    cv2.ellipse(picture, (72, 72), (48, 56), 0, 0, 360, 110.0, -1)
    if bleeds:
        cv2.circle(picture, (56, 60), 16, 220.0, -1)
    noisy = picture + (picture > 0) * np.random.default_rng(number).normal(scale=5, size=picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def write_scans(folder: Path) -> Path:
    """24 patients of 8 slices; every second one bleeds on two slices, each kind of bleed in turn."""
    (folder / "slices").mkdir()
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["patient", "slice", "file", "age", *BLEEDS])
        writer.writeheader()
        for patient in range(24):
            for place in range(SLICES):
                bleeds = patient % 2 == 0 and place in (3, 4)
                kinds = dict.fromkeys(BLEEDS, 0) | {"hemorrhage": int(bleeds)}
                kinds[BLEEDS[1 + patient // 2 % (len(BLEEDS) - 1)]] = int(bleeds)
                name = f"slices/{patient:03}_{place}.png"
                cv2.imwrite(str(folder / name), drawn_slice(bleeds, 100 * patient + place))
                writer.writerow({"patient": patient, "slice": place, "file": name, "age": 40, **kinds})
    return folder
