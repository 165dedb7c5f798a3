"""An image as another scanner, another patient's position or another export might have given it.

Changes are made on the grey picture, before the product's own preparation, so that windows, percentiles and resizing
act on them as they would in the clinic. Geometry, contrast, blur and noise are MONAI's random transforms.
"""

import numpy as np
from monai.transforms import (
    Affine,
    Compose,
    RandAdjustContrast,
    RandBiasField,
    RandGaussianNoise,
    RandGaussianSharpen,
    RandGaussianSmooth,
    RandScaleIntensityFixedMean,
    RandShiftIntensity,
    RandSimulateLowResolution,
)
from numpy.typing import NDArray

from pipelines.recipe import Augment

Grey = NDArray[np.uint8]
AIR = 6 / 255
"""Up to here grey is air and the noise that a JPEG leaves in it."""
SHARPEN = (0.5, 3.0)
"""How much of the difference from a blurred copy is added: MONAI's own 10 to 30 leaves edges and grain alone."""


def changed(values: Grey, spec: Augment, random: np.random.Generator) -> Grey:
    """The picture (rows, columns), 0 to 255, changed as `spec` says; equal generators give equal pictures."""
    unit = values[np.newaxis].astype(np.float32) / 255
    looks = Compose(_looks(spec, values.shape)).set_random_state(seed=int(random.integers(2**31)))
    moved = np.asarray(_move(spec, values.shape, random)(unit)[0], dtype=np.float32)
    other = np.asarray(looks(moved), dtype=np.float32)
    if spec.black_stays:
        other = np.where(moved > AIR, other, moved)
    grey: Grey = np.clip(np.rint(other[0] * 255), 0, 255).astype(np.uint8)
    return grey[:, ::-1].copy() if random.random() < spec.mirror else grey


def _move(spec: Augment, shape: tuple[int, ...], random: np.random.Generator) -> Affine:
    """Turned, scaled, stretched and shifted; black comes in.

    MONAI's RandAffine draws the scale of each side by itself, which stretches far more than any two scanners differ.
    """
    size, stretch = 1 + random.uniform(-spec.scale, spec.scale), 1 + random.uniform(-spec.aspect, spec.aspect) / 2
    return Affine(
        rotate_params=(np.deg2rad(random.uniform(-spec.turn_deg, spec.turn_deg)),),
        scale_params=(size * stretch, size / stretch),
        translate_params=tuple(random.uniform(-spec.shift, spec.shift) * side for side in shape),
        mode="bilinear",
        padding_mode="zeros",
    )


def _looks(spec: Augment, shape: tuple[int, ...]) -> list[object]:
    """Contrast, brightness, sharpness and noise."""
    sigma = spec.blur_sigma * max(shape) / 256
    gamma = (float(np.exp(-spec.gamma)), float(np.exp(spec.gamma)))
    looks: list[object] = []
    if spec.gamma:
        looks.append(RandAdjustContrast(prob=1.0, gamma=gamma))
    if spec.uneven:
        looks.append(RandBiasField(prob=0.5, degree=2, coeff_range=(0.0, spec.uneven)))
    if spec.contrast:
        looks.append(RandScaleIntensityFixedMean(prob=1.0, factors=spec.contrast))
    if spec.brightness:
        looks.append(RandShiftIntensity(prob=1.0, offsets=spec.brightness))
    looks += [
        RandGaussianSmooth(prob=spec.blur, sigma_x=(0.2, sigma), sigma_y=(0.2, sigma)),
        RandGaussianSharpen(prob=spec.sharpen, alpha=SHARPEN),
        RandSimulateLowResolution(prob=spec.coarser, upsample_mode="bilinear", zoom_range=(0.35, 0.8)),
        RandGaussianNoise(prob=spec.noise, std=spec.noise_std, sample_std=True),
    ]
    return looks
