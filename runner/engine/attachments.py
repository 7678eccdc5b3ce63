"""Files that travel with a message: images, checked before anything is sent."""

from __future__ import annotations

import errno
from pathlib import Path

from runner.core.errors import UsageError
from runner.core.files import read_bounded
from runner.core.images import image_media_type
from runner.core.messages import Attachment

MAX_BYTES = 20 * 1024 * 1024


def attach(path: str | Path) -> Attachment:
    """The image in a file, known by its first bytes: PNG, JPEG, GIF or WebP, 20 MB at most. Raises UsageError."""
    file = Path(path)
    try:
        data = read_bounded(file, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UsageError(
                f"the attachment {str(path)!r} is too large", why="more than 20 MB", fix="send a smaller image"
            ) from None
        raise UsageError(f"cannot read the attachment {str(path)!r}", why=error.strerror or str(error)) from None
    media_type = image_media_type(data)
    if not media_type:
        raise UsageError(f"the attachment {str(path)!r} is not an image", fix="attach a PNG, JPEG, GIF or WebP file")
    return Attachment(media_type, data, file.name)
