"""What reaches a limit is read; one more pixel or byte is refused."""

import numpy as np
import pytest
from PIL import Image

from freqfake import ImageReadError, read_image
from freqfake.pictures.limits import MAX_BYTES, check_size

PICTURE = Image.new("RGB", (30, 20), "teal")
PLAIN = b"P3 30 20 255\n" + b"0 128 128\n" * 600  # text, which Pillow decodes in Python


@pytest.mark.parametrize(("name", "cost"), [("p.png", 1), ("p.webp", 2), ("p.ppm", 16)])
def test_pixels(tmp_path, name, cost):
    path = tmp_path / name
    if cost == 16:
        path.write_bytes(PLAIN)
    else:
        PICTURE.save(path, lossless=True)
    pixels, _ = read_image(path, max_pixels=600 * cost)
    assert np.array_equal(pixels, PICTURE)
    with pytest.raises(ImageReadError, match="megapixels are more than the limit"):
        read_image(path, max_pixels=600 * cost - 1)


def test_bytes(tmp_path):
    most = MAX_BYTES // 4
    with (tmp_path / "sparse").open("w+b") as file:
        for max_pixels, limit in ((1, 4 * most), (most, 4 * most), (most + 1, 4 * most + 4)):
            file.truncate(limit)
            check_size(file, max_pixels)
            file.truncate(limit + 1)
            with pytest.raises(ValueError, match="is above the limit"):
                check_size(file, max_pixels)
