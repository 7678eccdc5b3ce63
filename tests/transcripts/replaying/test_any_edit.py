"""Whatever an edit makes of a transcript, it is judged or refused at a line; it is never a bug of ours."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.transcripts.exit_codes import WORST_FIRST
from runner.transcripts.suite.discovery import find_transcripts
from runner.transcripts.suite.run import run
from runner.transcripts.suite.selection import Selection
from thoroughness import examples

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = [file.relative_to(EXAMPLES) for file in find_transcripts([EXAMPLES])]
PIECES = [b"", b"---\n", b"{", b"}", b"[", b"]", b": ", b"- ", b'"', b"'", b"\n", b"  ", b"null", b"-1", b"1e400"]
PIECES += [b"\xff", b"\x00", b"\t", b"{{", b"#", b"&a ", b"*a", b"!!x", b"|", b"\xc2\x85", b"not: ", b"true", b"{}"]


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(FILES), st.integers(0, 10_000), st.integers(0, 40), st.sampled_from(PIECES))
@example(Path("dates/dates.transcript.yaml"), 0, 0, b"")
def test_any_edit_is_judged_or_refused(file: Path, position: int, length: int, piece: bytes) -> None:
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "examples"
        shutil.copytree(EXAMPLES, copy, ignore=shutil.ignore_patterns("*.pyc"))
        data = (copy / file).read_bytes()
        at = position % len(data)
        (copy / file).write_bytes(data[:at] + piece + data[at + length :])
        for outcome in run([copy / file], Selection(trust=True)):
            assert outcome.verdict in WORST_FIRST
            assert outcome.to_dict()["file"] == str(copy / file)
            assert outcome.exit_code in (0, 2, 3, 4)
