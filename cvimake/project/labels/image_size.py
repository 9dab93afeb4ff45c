"""The size of an image, from the beginning of its file."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

# The formats that the toolchain's reader (OpenCV) takes under the names of samples.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF")
_ORIENTATION = 0x0112
# Orientations that exchange width and height.
_ON_ITS_SIDE = frozenset({5, 6, 7, 8})


def image_size(path: Path) -> tuple[int, int]:
    """Return an image's width and height, after a rotation that a JPEG asks for, as OpenCV makes it.

    Only the header is read.

    Raises:
        ValueError: the file cannot be read, or is no image.
    """
    try:
        with warnings.catch_warnings():
            # The pixels are not read, so a very large image does no harm here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as image:
                width, height = image.size
                is_turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    except UnidentifiedImageError as error:
        raise ValueError("is no image") from error
    except Image.DecompressionBombError as error:
        raise ValueError("has too many pixels") from error
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from error
    except (SyntaxError, ValueError, KeyError, TypeError, OverflowError, IndexError) as error:
        raise ValueError("is a damaged image") from error
    return (height, width) if is_turned else (width, height)
