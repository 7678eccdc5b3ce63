"""Which bytes are an image, and of what kind."""

from __future__ import annotations

import pytest

from runner.core.images import image_media_type


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a...", "image/gif"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", ""),
        (b"GIF80a", ""),
        (b"\x89PNG", ""),
        (b"%PDF-1.7", ""),
        (b"", ""),
    ],
)
def test_the_first_bytes_tell(data: bytes, media_type: str) -> None:
    assert image_media_type(data) == media_type
