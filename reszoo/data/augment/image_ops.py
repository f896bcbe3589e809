"""Image operations of RandAugment, TrivialAugment and colour jitter, on Pillow images.

They are Pillow's own (ImageOps, ImageEnhance, affine transforms): timm, torchvision and the papers
define them so, and they were measured to be several times as fast as in TensorFlow. Keras'
preprocessing layers do not fit: they draw from one generator for a whole batch, and work in float32
with other definitions (of solarize's threshold, of sharpness at the border).

An operation takes an image of mode L or RGB, its strength, and the pixel that fills what comes in
from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from scipy.special import ndtri

from reszoo.spec.augmentation import ColorJitter

Pixel = int | tuple[int, ...]
Operation = Callable[[Image.Image, float, Pixel], Image.Image]

_SOLARIZE_ADD_BELOW = 128

# Principal components of the colours of ImageNet and their standard deviations, for values 0..1
# (AlexNet; the numbers are from Facebook's fb.resnet.torch).
_AXES = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)
_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])


def solarize_add(image: Image.Image, amount: float, fill: Pixel) -> Image.Image:
    """Adds to values below 128."""
    del fill
    table = [
        min(255, value + int(amount)) if value < _SOLARIZE_ADD_BELOW else value
        for value in range(256)
    ]
    return image.point(table * len(image.getbands()))


def posterize(image: Image.Image, bits: float, fill: Pixel) -> Image.Image:
    """Keeps the given number of high bits."""
    del fill
    mask = 0xFF & ~(0xFF >> int(bits))  # Pillow's own cannot keep 0 bits, as strength 10 does.
    return image.point([value & mask for value in range(256)] * len(image.getbands()))


def shift_hue(image: Image.Image, share: float, fill: Pixel) -> Image.Image:
    """Shifts the hue by a share of the circle; grey images are unchanged."""
    del fill
    if image.mode != "RGB":
        return image
    hue, saturation, value = image.convert("HSV").split()
    step = int(share * 255)  # torchvision's arithmetic
    hue = hue.point([(old + step) % 256 for old in range(256)])
    return Image.merge("HSV", (hue, saturation, value)).convert("RGB")


def rotate(image: Image.Image, degrees: float, fill: Pixel) -> Image.Image:
    """Rotates about the centre, counter-clockwise."""
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)


def _affine(
    image: Image.Image, matrix: tuple[float, float, float, float, float, float], fill: Pixel
) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill
    )


OPERATIONS: Mapping[str, Operation] = {
    "identity": lambda image, strength, fill: image,
    "autocontrast": lambda image, strength, fill: ImageOps.autocontrast(image),
    "equalize": lambda image, strength, fill: ImageOps.equalize(image),
    "invert": lambda image, strength, fill: ImageOps.invert(image),
    "rotate": rotate,
    "posterize": posterize,
    "solarize": lambda image, threshold, fill: ImageOps.solarize(image, ceil(threshold)),
    "solarize_add": solarize_add,
    "colour": lambda image, factor, fill: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor, fill: ImageEnhance.Contrast(image).enhance(factor),
    "brightness": lambda image, factor, fill: ImageEnhance.Brightness(image).enhance(factor),
    "sharpness": lambda image, factor, fill: ImageEnhance.Sharpness(image).enhance(factor),
    "shear_x": lambda image, factor, fill: _affine(image, (1, factor, 0, 0, 1, 0), fill),
    "shear_y": lambda image, factor, fill: _affine(image, (1, 0, 0, factor, 1, 0), fill),
    "translate_x": lambda image, pixels, fill: _affine(image, (1, 0, pixels, 0, 1, 0), fill),
    "translate_y": lambda image, pixels, fill: _affine(image, (1, 0, 0, 0, 1, pixels), fill),
    "hue": shift_hue,
}
"""The operations by their names in policies; positive shears and translations move left or up."""


def color_jitter_steps(jitter: ColorJitter, draws: np.ndarray) -> list[tuple[str, float]]:
    """Returns the operations of one image's colour jitter, in random order as in torchvision."""
    names = ("brightness", "contrast", "colour", "hue")
    ranges = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    signed = 2 * draws[1:] - 1
    steps = [
        (name, float(reach * sign) if name == "hue" else max(0.0, 1 + float(reach * sign)))
        for name, reach, sign in zip(names, ranges, signed, strict=True)
    ]
    ordered, permutation = [], int(draws[0] * 24)  # one of the 4! orders
    for remaining in range(4, 0, -1):
        permutation, index = divmod(permutation, remaining)
        ordered.append(steps.pop(index))
    reaches = dict(zip(names, ranges, strict=True))
    return [(name, strength) for name, strength in ordered if reaches[name]]


def pca_lighting(images: np.ndarray, deviation: float, draws: np.ndarray) -> np.ndarray:
    """Adds colour noise along ImageNet's principal components, one colour per image (AlexNet).

    `images` are uint8 of shape (images, height, width, channels); grey ones get the noise's mean.
    """
    amounts = deviation * ndtri(np.maximum(draws, 2.0**-54))
    noise = 255 * (amounts * _DEVIATIONS) @ _AXES.T
    if images.shape[-1] == 1:
        noise = noise.mean(axis=1, keepdims=True)
    rounded = np.rint(noise).astype(np.int16)[:, None, None]
    return np.clip(images + rounded, 0, 255).astype(np.uint8)
