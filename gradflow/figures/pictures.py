"""An array of levels as a picture inside a figure."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def png(levels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> str:
    """The address of a PNG of levels (rows, columns): numbers of rows of the palette (≤ 256, 4), red, green, blue, opacity."""
    rows, columns = levels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), levels], axis=1)  # 0: no filter
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),  # 8 bits, of a palette
        (b"PLTE", palette[:, :3].tobytes()),
        (b"tRNS", palette[:, 3].tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    )
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(chunks)).decode()
