"""Handwritten digits to label: the 1,797 images that come with scikit-learn, as pictures in data: URIs.

E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SCALE = 12  # pixels on the screen for each of the 8 x 8 of the scan
_INK = 16  # the scan's darkest value


@dataclass(frozen=True)
class Digit:
    """An image and the digit that it shows."""

    name: str
    image: str
    digit: str


def draw_digits(count: int, seed: int) -> list[Digit]:
    """Draw so many different digits at random, repeatably."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second to import

    data = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(data.target))[:count]
    return [
        Digit(f"digit-{number:04d}", png_uri(data.images[number]), str(data.target[number]))
        for number in chosen.tolist()
    ]


def png_uri(scan: npt.NDArray[np.float64]) -> str:
    """Return a scan, (height, width) from 0 (paper) to 16 (ink), as a greyscale PNG in a data: URI."""
    grey = (255 - np.minimum(scan, _INK) * (255 / _INK)).astype(np.uint8).repeat(_SCALE, 0).repeat(_SCALE, 1)
    height, width = grey.shape
    rows = b"".join(b"\x00" + row.tobytes() for row in grey)  # each row says that it is not filtered
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode("ascii")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
