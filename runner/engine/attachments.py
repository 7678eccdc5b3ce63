"""Files that travel with a message: images, checked before anything is sent."""

from __future__ import annotations

from pathlib import Path

from runner.core.errors import UsageError
from runner.core.images import image_media_type
from runner.core.messages import Attachment

MAX_BYTES = 20 * 1024 * 1024


def attach(path: str | Path) -> Attachment:
    """The image in a file, known by its first bytes: PNG, JPEG, GIF or WebP, 20 MB at most. Raises UsageError."""
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the attachment {str(path)!r}", why=error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"the attachment {str(path)!r} is too large", why="more than 20 MB", fix="send a smaller image"
        )
    media_type = image_media_type(data)
    if not media_type:
        raise UsageError(f"the attachment {str(path)!r} is not an image", fix="attach a PNG, JPEG, GIF or WebP file")
    return Attachment(media_type, data, file.name)
