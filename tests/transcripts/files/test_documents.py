"""A transcript file as documents: joined they are the file, and one is replaced without touching the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.transcripts.files.documents import split_documents, with_recording

lines = st.lists(
    st.sampled_from(["a: 1", "---", "--- # x", "---x", "# c", "", "  ---", "recording: a/b", "..."]), max_size=12
)


@given(lines, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_documents_joined_are_the_file(rows: list[str], newline: str, ended: bool) -> None:
    text = newline.join(rows) + (newline if ended else "")
    assert "".join(split_documents(text)) == text


@given(lines, st.sampled_from(["\n", "\r\n"]))
def test_a_recording_put_in_leaves_the_others_alone(rows: list[str], newline: str) -> None:
    text = newline.join(["transcript: 1", *rows, ""])
    once = with_recording(text, "new/one", "---\nrecording: new/one\nturns: {}\n")
    twice = with_recording(once, "new/one", "---\nrecording: new/one\nturns: {a: []}\n")
    assert split_documents(once)[:-1] == split_documents(text) == split_documents(twice)[:-1]
    assert with_recording(twice, "new/one", None) == text
