"""An image as another scanner, another patient's position or another export might have given it.

Changes are made on the grey picture, before the product's own preparation, so that windows, percentiles and resizing
act on them as they would in the clinic. Geometry, contrast, blur and noise are MONAI's random transforms.
"""

import numpy as np
from monai.transforms import (
    Compose,
    RandAdjustContrast,
    RandAffine,
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


def changed(values: Grey, spec: Augment, random: np.random.Generator) -> Grey:
    """The picture (rows, columns), 0 to 255, changed as `spec` says; equal generators give equal pictures."""
    unit = values[np.newaxis].astype(np.float32) / 255
    chain = Compose([_moved(spec, values.shape), *_looks(spec, values.shape)])
    chain.set_random_state(seed=int(random.integers(2**31)))
    moved = np.asarray(chain.transforms[0](unit), dtype=np.float32)
    other = moved
    for transform in chain.transforms[1:]:
        other = np.asarray(transform(other), dtype=np.float32)
    if spec.black_stays:
        other = np.where(moved > 0, other, moved)
    grey: Grey = np.clip(np.rint(other[0] * 255), 0, 255).astype(np.uint8)
    return grey[:, ::-1].copy() if random.random() < spec.mirror else grey


def _moved(spec: Augment, shape: tuple[int, ...]) -> RandAffine:
    """Turned, scaled, stretched and shifted; black comes in."""
    rows, columns = shape
    turn = np.deg2rad(spec.turn_deg)
    least, most = (1 - spec.scale) * (1 - spec.aspect) - 1, (1 + spec.scale) * (1 + spec.aspect) - 1
    return RandAffine(
        prob=1.0,
        rotate_range=(turn,),
        scale_range=((least, most), (least, most)),
        translate_range=(spec.shift * rows, spec.shift * columns),
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
        RandGaussianSharpen(prob=spec.sharpen),
        RandSimulateLowResolution(prob=spec.coarser, upsample_mode="bilinear", zoom_range=(0.35, 0.8)),
        RandGaussianNoise(prob=spec.noise, std=spec.noise_std, sample_std=True),
    ]
    return looks
