"""Small real images, made on the spot, and one folder of prepared data for all tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.data import ImageData
from reszoo.data.open_data import open_data


def picture(seed: int = 0, height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    """A smooth picture with no symmetry: rotated or mirrored it is another."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, channels), dtype=np.uint8)
    image = Image.fromarray(small[..., 0] if channels == 1 else small)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return pixels[..., None] if channels == 1 else pixels


def encoded(image: Image.Image | np.ndarray, form: str = "PNG", **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def sixteen_bit_rgb() -> bytes:
    """A PNG of 16 bits in three channels, which Pillow reads but does not write."""
    import tensorflow as tf

    wide = picture(3).astype(np.uint16) * 257 + 100
    return tf.io.encode_png(wide).numpy()


def twelve_bit(seed: int) -> np.ndarray:
    """A grey picture of a camera with 12 bits: uint16 values from about 20 to 219."""
    return 20 + picture(seed, channels=1)[..., 0].astype(np.uint16) * 199 // 255


def odd_images() -> dict[str, bytes]:
    """One image of every kind a folder of photographs may hold, by file name."""
    photo = Image.fromarray(picture(1))
    grey = Image.fromarray(picture(2, channels=1)[..., 0])
    alpha = Image.fromarray(np.dstack([picture(1), picture(5, channels=1)]), "RGBA")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "plain.jpg": encoded(photo, "JPEG"),
        "fine_chroma.jpg": encoded(photo, "JPEG", subsampling=0),
        "progressive.jpeg": encoded(photo, "JPEG", progressive=True),
        "grey.jpg": encoded(grey, "JPEG"),
        "rotated.jpg": encoded(photo, "JPEG", exif=turned),
        "rotated.png": encoded(photo, exif=turned),
        "cmyk.jpg": encoded(photo.convert("CMYK"), "JPEG"),
        "plain.png": encoded(photo),
        "grey.png": encoded(grey),
        "alpha.png": encoded(alpha),
        "grey_alpha.png": encoded(alpha.convert("LA")),
        "palette.png": encoded(photo.quantize(16)),
        "palette_clear.png": encoded(photo.quantize(16), transparency=3),
        "clear_colour.png": encoded(photo, transparency=tuple(int(v) for v in picture(1)[0, 0])),
        "black_white.png": encoded(grey.convert("1")),
        "deep_grey.png": encoded(
            Image.fromarray(picture(2, channels=1)[..., 0].astype(np.uint16) * 257)
        ),
        "deep.png": sixteen_bit_rgb(),
        "grey_12_bit.png": encoded(twelve_bit(2)),
        "photo.tif": encoded(photo, "TIFF"),
        "grey_12_bit.tiff": encoded(twelve_bit(2), "TIFF", compression="tiff_lzw"),
        "pages.tiff": encoded(photo, "TIFF", save_all=True, append_images=[photo]),
        "photo.bmp": encoded(photo, "BMP"),
        "grey.bmp": encoded(grey, "BMP"),
        "photo.webp": encoded(photo, "WEBP", lossless=True),
        "alpha.webp": encoded(alpha, "WEBP", lossless=True),
        "still.gif": encoded(photo.quantize(32), "GIF"),
        "moving.gif": encoded(
            photo.quantize(32), "GIF", save_all=True, append_images=[grey.convert("P")]
        ),
        "named_wrongly.png": encoded(photo, "JPEG"),
        "UPPER.JPG": encoded(photo, "JPEG"),
    }


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="session")
def digits(data_dir: Path) -> ImageData:
    return open_data("digits", data_dir=data_dir)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes files given by their paths below a folder, and returns the folder."""

    def written(files: dict[str, bytes], folder: str = "photos") -> Path:
        for name, content in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return tmp_path / folder

    return written


def class_folders(count: int = 10, splits: tuple[str, ...] = ("train", "test")) -> dict[str, bytes]:
    """Two classes of PNG photographs in each split (or at the top, for the split "")."""
    return {
        f"{split}/{name}/{number}.png".lstrip("/"): encoded(picture(seed * 1000 + number, 8, 9))
        for seed, split in enumerate(splits)
        for name in ("cat", "dog")
        for number in range(count)
    }
