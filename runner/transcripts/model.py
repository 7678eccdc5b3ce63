"""A transcript file as frozen values: the script that people write, and the recordings that `record` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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


class DocumentLocation(LazyLocation, Protocol):
    """The location of a document, and of the parts of it."""

    def inside(self, *node_path: str | int) -> Location:
        """The location of a part of the document."""


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

    `approve` is None where the file says nothing, so that a stubbed tool needs no approval. `locations` tell where the
    answers to `ask_user` stand.
    """

    ask_user: tuple[str, ...] = ()
    approve: tuple[str, ...] | None = None
    locations: tuple[LazyLocation, ...] = ()


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

    `capabilities` holds those of the model, as its gateway gave them, that are not the default; `allow` and
    `deny`, the permission rules that a chat was started with; `variable_locations`, where the variables of a script or
    suite file stand.
    """

    clock: datetime | None = None
    seed: int | None = None
    variables: Mapping[str, Any] = {}
    capabilities: Mapping[str, Any] = {}
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    variable_locations: Mapping[str, LazyLocation] = {}


class RecordedTool(NamedTuple):
    """A tool as it was described to the model, with its hash.

    `schema` is that of its parameters as JSON text, empty in a recording that holds none; `load_schema` reads the text
    where it is kept apart, and raises ValueError where it cannot be read.
    """

    signature: str
    description: str
    digest: str
    schema: str = ""
    load_schema: Callable[[], str] | None = None

    def schema_text(self) -> str:
        """The schema as JSON text; empty where none is kept. Raises ValueError."""
        return self.schema if self.load_schema is None else self.load_schema()


class RecordedEntry(NamedTuple):
    """An entry of the agent's tools which a replay does not open, as it was recorded.

    `options` are those of the agent file that decide what the model is told, `tools` the names of its tools.
    """

    kind: str
    options: Mapping[str, Any] = {}
    tools: tuple[str, ...] = ()


class RecordedRequest(NamedTuple):
    """What every request of a recording had in common, and the hashes of its parts.

    `entries` are those of the agent's tools that a replay does not open, by name; None where it is not known.
    """

    system: str
    tools: Mapping[str, RecordedTool]
    options: Mapping[str, Any]
    stamp: Mapping[str, str]
    entries: Mapping[str, RecordedEntry] | None = None


class RecordedRoute(NamedTuple):
    """A model that took part in a recording with a fallback: GATEWAY/MODEL, and where it differs from the first.

    `options` and `stamp` are those of its requests, empty for the first route, which the request itself tells of.
    """

    model: str
    capabilities: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    stamp: Mapping[str, str] = {}


class RecordedError(NamedTuple):
    """A failure in place of a reply, or after its chunks; `status` is HTTP's, `retry_after` in seconds."""

    status: int = 0
    code: str = ""
    message: str = ""
    retry_after: float | None = None


class RecordedCall(NamedTuple):
    """A tool call and its result; `arguments` is None for text that is no JSON object, `ran` False if no tool ran.

    `asked`: the permissions asked about it, and it was allowed by a word that the script does not hold.
    """

    name: str
    arguments: Mapping[str, Any] | None
    raw: str = ""
    returned: Any = None
    failed: bool = False
    ran: bool = False
    asked: bool = False


class RecordedReply(NamedTuple):
    """One model reply at the gateway interface.

    `seen` is the hash of all that the model had been shown; `chunk_lengths` cut `text` into its streamed chunks; `ms`
    are the milliseconds to the first chunk and to the last. `route` is the number of the model that was asked: 1 for
    the agent's first choice, 2 for its first fallback.
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
    route: int = 1

    @property
    def fails_early(self) -> bool:
        """A machine recorded it as a failure before there was a request."""
        return self.error is not None and not self.seen


class Recording(NamedTuple):
    """One model's part of the conversation: the replies of each turn, by its id.

    `resolved` is the model's full name as its server gave it, `recorded` the time in ISO 8601. `request` is None in a
    hand-written recording, which therefore never goes stale. `edited` is True for a machine-written one whose turns are
    no longer what was written. `expect` replaces the script's expectations. `turn_locations` tells where each turn
    stands, `root` where the document does. `routes` are the models that were asked, where a fallback took place.
    """

    name: str
    turns: Mapping[str, tuple[RecordedReply, ...]]
    lazy_location: DocumentLocation | None = None
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
    routes: tuple[RecordedRoute, ...] = ()

    @property
    def falls_back(self) -> bool:
        """More than one of the agent's models was asked."""
        return bool(self.routes) or any(reply.route > 1 for replies in self.turns.values() for reply in replies)

    def location_of(self, *node_path: str | int) -> Location:
        """Where a part of its document stands."""
        return self.lazy_location.inside(*node_path) if self.lazy_location is not None else self.location

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

    def expectations(self) -> Iterator[Expectation]:
        """Those of all turns, of the whole, and of the recordings."""
        for expect in (*(turn.expect for turn in self.turns), self.finally_):
            yield from expect
        for recording in self.recordings:
            yield from recording.expect or ()

    def recording(self, name: str) -> Recording | None:
        """The recording of that name."""
        return next((recording for recording in self.recordings if recording.name == name), None)

    def unscripted_turns(self, recording: Recording) -> Iterator[tuple[str, Location]]:
        """The recorded turns that the script lacks, and where each stands."""
        scripted = {turn.id for turn in self.turns}
        for turn, lazy in recording.turn_locations.items():
            if turn not in scripted:
                yield turn, lazy.location
