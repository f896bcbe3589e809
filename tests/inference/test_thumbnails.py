import io

import numpy as np
import pytest
from PIL import Image

from reszoo.data.open_data import open_data
from reszoo.inference.thumbnails import thumbnails


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_the_images_within_64_pixels(channels):
    pixels = np.zeros((3, 20, 128, channels), np.uint8)
    pixels[2] = 255
    split = open_data((pixels, np.array([0, 1, 1]))).split("train")
    pictures = [Image.open(io.BytesIO(png)) for png in thumbnails(split, [2, 0])]
    assert [picture.size for picture in pictures] == [(64, 10), (64, 10)]
    assert [np.asarray(picture).max() for picture in pictures] == [255, 0]


def test_no_indices_give_no_pictures():
    split = open_data((np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1]))).split("train")
    assert list(thumbnails(split, [])) == []
