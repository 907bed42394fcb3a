"""Images and masks as bytes and run lengths that are the same on every machine.

PNG encoders differ by version in how they compress, so the file here is written by hand with one
uncompressed block; readers do not mind.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

_STORED_LIMIT = 0xFFFF  # bytes that one uncompressed deflate block can hold


def encode_png(image: np.ndarray) -> bytes:
    """Write an image as an uncompressed PNG file.

    Parameters
    ----------
    image : uint8 array, shape (height, width, 3)
        At most 65 535 bytes with one filter byte per row, which 112 × 112 pixels are.

    Raises
    ------
    ValueError
        If the array is of another type or shape, or too large.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            "encode_png: `image` must be uint8 of shape (height, width, 3), "
            f"got {image.dtype} {image.shape}."
        )
    height, width, _ = image.shape
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)  # filter type 0 before every row
    rows[:, 1:] = image.reshape(height, -1)
    data = rows.tobytes()
    if len(data) > _STORED_LIMIT:
        raise ValueError(f"encode_png: `image` must fit {_STORED_LIMIT} bytes, got {len(data)}.")
    block = struct.pack("<BHH", 1, len(data), len(data) ^ _STORED_LIMIT) + data
    stream = b"\x78\x01" + block + struct.pack(">I", zlib.adler32(data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND")
    )


def encode_mask(mask: np.ndarray) -> dict[str, list[int]]:
    """Write a mask as COCO's uncompressed run lengths.

    Parameters
    ----------
    mask : bool array, shape (height, width)

    Returns
    -------
    dict
        ``size`` is [height, width]; ``counts`` are the lengths of runs of 0, 1, 0, … in
        column-major order, the first of them 0 when the mask starts with a 1.

    Examples
    --------
    >>> encode_mask(np.array([[False, True], [False, True]]))
    {'size': [2, 2], 'counts': [2, 2]}
    """
    flat = np.asarray(mask, dtype=bool).ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def decode_mask(encoded: Mapping[str, Sequence[int]]) -> np.ndarray:
    """Read a mask that `encode_mask` wrote; bool (height, width).

    Raises
    ------
    ValueError
        If the run lengths do not add up to the size.

    Examples
    --------
    >>> decode_mask({"size": [2, 2], "counts": [2, 2]}).tolist()
    [[False, True], [False, True]]
    """
    height, width = encoded["size"]
    counts = list(encoded["counts"])
    if sum(counts) != height * width:
        raise ValueError(
            f"decode_mask: `counts` must add up to {height} * {width}, got {sum(counts)}."
        )
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape((height, width), order="F")


def _chunk(kind: bytes, data: bytes = b"") -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
