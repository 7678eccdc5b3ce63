"""A transcript file as frozen values: the script that people write, and the recordings that `record` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

from runner.config.diagnostics import Location
from runner.core.messages import FinishReason, Opaque, Usage

ToolMode = Literal["verify", "stub", "execute", "forbid"]
When = Literal["replay", "live", "both"]
"""In which kind of run an expectation is judged."""
FailureLevel = Literal["error", "warn"]
"""Whether what does not hold fails the cell, or is only reported."""
Component = Literal["system", "tools", "options", "messages", "turns"]
"""A part of a recording that may go stale."""

FORMAT_VERSION = 1
TRANSCRIPT_SUFFIX = ".transcript.yaml"
HAND_PREFIX = "hand/"
COMPONENTS: tuple[Component, ...] = get_args(Component)


class LazyLocation(Protocol):
    """A location in a file that is looked up when asked for."""

    @property
    def location(self) -> Location: ...


class Expectation(NamedTuple):
    """One thing that must hold; `kind` is its key in the file, `expected` the value of that key.

    `templated` is True if the value holds a template, which variables are filled into before it is judged.
    """

    kind: str
    expected: Any
    lazy_location: LazyLocation
    negated: bool = False
    when: When = "both"
    severity: FailureLevel = "error"
    normalize: tuple[str, ...] = ()
    templated: bool = False

    @property
    def location(self) -> Location:
        """Where its key stands."""
        return self.lazy_location.location


class Answers(NamedTuple):
    """What the user would answer during a turn: to `ask_user`, in order, and which tools may run.

    `approve` is None where the file says nothing, so that a stubbed tool needs no approval.
    """

    ask_user: tuple[str, ...] = ()
    approve: tuple[str, ...] | None = None


class ScriptTurn(NamedTuple):
    """One turn of the script: what the user says, and what must hold of all that follows."""

    id: str
    user: str
    lazy_location: LazyLocation
    expect: tuple[Expectation, ...] = ()
    answers: Answers = Answers()
    files: tuple[Path, ...] = ()
    keep_going: bool = False

    @property
    def location(self) -> Location:
        """Where the turn stands."""
        return self.lazy_location.location


class ReplayInputs(NamedTuple):
    """What a conversation depends on besides its texts; saved with a recording and injected into its replay.

    `capabilities` holds those of the model, as its gateway gave them, that are not the default.
    """

    clock: datetime | None = None
    seed: int | None = None
    variables: Mapping[str, Any] = {}
    capabilities: Mapping[str, Any] = {}


class RecordedTool(NamedTuple):
    """A tool as it was described to the model, with its hash."""

    signature: str
    description: str
    digest: str


class RecordedRequest(NamedTuple):
    """What every request of a recording had in common, and the hashes of its parts."""

    system: str
    tools: Mapping[str, RecordedTool]
    options: Mapping[str, Any]
    stamp: Mapping[str, str]


class RecordedError(NamedTuple):
    """A failure in place of a reply, or after its chunks; `status` is HTTP's, `retry_after` in seconds."""

    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: float | None = None


class RecordedCall(NamedTuple):
    """A tool call and its result; `arguments` is None for text that is no JSON object, `ran` False if no tool ran."""

    name: str
    arguments: Mapping[str, Any] | None
    raw: str = ""
    returned: Any = None
    failed: bool = False
    ran: bool = False


class RecordedReply(NamedTuple):
    """One model reply at the gateway interface.

    `seen` is the hash of all that the model had been shown; `chunk_lengths` cut `text` into its streamed chunks; `ms`
    are the milliseconds to the first chunk and to the last.
    """

    seen: str = ""
    finish: FinishReason | Literal[""] = "stop"
    text: str = ""
    chunk_lengths: tuple[int, ...] = ()
    thinking: str = ""
    calls: tuple[RecordedCall, ...] = ()
    usage: Usage | None = None
    ms: tuple[int, int] | None = None
    error: RecordedError | None = None
    opaque: Opaque | None = None


class Recording(NamedTuple):
    """One model's part of the conversation: the replies of each turn, by its id.

    `resolved` is the model's full name as its server gave it, `recorded` the time in ISO 8601. `request` is None in a
    hand-written recording, which therefore never goes stale. `edited` is True for a machine-written one whose turns are
    no longer what was written. `expect` replaces the script's expectations. `turn_locations` tells where each turn
    stands, `root` where the document does.
    """

    name: str
    turns: Mapping[str, tuple[RecordedReply, ...]]
    lazy_location: LazyLocation | None = None
    resolved: str = ""
    recorded: str = ""
    inputs: ReplayInputs = ReplayInputs()
    request: RecordedRequest | None = None
    redacted: Mapping[str, int] = {}
    accepted: tuple[str, ...] = ()
    expect: tuple[Expectation, ...] | None = None
    edited: bool = False
    turn_locations: Mapping[str, LazyLocation] = {}
    root: LazyLocation | None = None

    @property
    def location(self) -> Location:
        """Where its document begins; nowhere for one that is not written yet."""
        return self.lazy_location.location if self.lazy_location is not None else Location(Path(), 0)

    @property
    def by_hand(self) -> bool:
        """Written by people: `record` leaves it alone."""
        return self.name.startswith(HAND_PREFIX)


class Transcript(NamedTuple):
    """One file: its script, and its recordings in their order.

    `stale` says which components only warn. `models` are those that need a recording, where the file lists them. `root`
    tells where the script's document stands.
    """

    path: Path
    agent: Path
    turns: tuple[ScriptTurn, ...]
    location: Location
    about: str = ""
    tags: tuple[str, ...] = ()
    inputs: ReplayInputs = ReplayInputs()
    modes: Mapping[str, ToolMode] = {}
    finally_: tuple[Expectation, ...] = ()
    recordings: tuple[Recording, ...] = ()
    keep_going: bool = False
    stale: Mapping[Component, FailureLevel] = {}
    redact: Mapping[str, str] = {}
    models: tuple[str, ...] = ()
    root: LazyLocation | None = None

    def recording(self, name: str) -> Recording | None:
        """The recording of that name."""
        return next((recording for recording in self.recordings if recording.name == name), None)

    def unscripted_turns(self, recording: Recording) -> Iterator[tuple[str, Location]]:
        """The recorded turns that the script lacks, and where each stands."""
        scripted = {turn.id for turn in self.turns}
        for turn, lazy in recording.turn_locations.items():
            if turn not in scripted:
                yield turn, lazy.location
