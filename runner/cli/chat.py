"""`agent-run chat`: at a terminal, in a pipe, or in one shot."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli import Terminated
from runner.cli.terminal.text_output import TextOutput, warn
from runner.core.errors import AgentRunError, UsageError
from runner.core.sanitize import sanitize

if TYPE_CHECKING:
    from runner.cli.terminal.json_output import JsonLinesOutput, JsonOutput
    from runner.config.agent import Agent
    from runner.core.messages import Attachment
    from runner.engine.approval import Approve
    from runner.engine.from_agent import AskUser
    from runner.engine.session import ChatSession
    from runner.transcripts.recording.chat_recorder import ChatRecorder

EXIT_WORD = "exit"
CHAT_COMMANDS = {"/continue": "Please go on exactly where you stopped."}

_COMMAND = r"/[a-z]+"


@click.command()
@click.argument("agent", type=click.Path(readable=False))
@click.option("-m", "--message", "messages", multiple=True, metavar="TEXT", help="Ask this and exit; once a turn.")
@click.option("-a", "--attach", "files", multiple=True, metavar="FILE", help="Send this image with the first message.")
@click.option("--lines", is_flag=True, help="Piped input: one message a line, each answer ended by a newline.")
@click.option("--var", "variables", multiple=True, metavar="K=V", help="Set a variable of the agent's templates.")
@click.option("--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the agent file.")
@click.option("--gateway", metavar="NAME", help="Ask this gateway instead of the file's.")
@click.option("--model", metavar="NAME", help="Ask this model instead of the file's.")
@click.option("--stream/--no-stream", default=True, help="Show the answer as it arrives, or in one piece.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "jsonl"]),
    default="text",
    help="What stdout carries.",
    show_default=True,
)
@click.option("--allow", multiple=True, metavar="TOOL", help="Let this tool run without asking.")
@click.option("--deny", multiple=True, metavar="TOOL", help="Never let this tool run.")
@click.option("--trust", is_flag=True, help="Consent to all that the file can execute and reach, this once.")
@click.option("--record", metavar="FILE", help="Write the conversation to FILE as a transcript.")
@click.option("-v", "--verbose", is_flag=True, help="Show tool results, usage and cost.")
def chat(agent: str, **options: Any) -> int:
    """Talk with AGENT, an agent file.

    On a terminal it prompts until `exit` or end of input; ^C stops a reply, and leaves at the prompt.
    With -m, or with piped input, it answers and exits.
    """
    json_output = _json_output(options["output"])
    try:
        return _run_chat(agent, options, json_output)
    except AgentRunError as error:
        if json_output is not None:
            json_output.fail(error)
        raise
    finally:
        if json_output is not None:
            json_output.end()


def _json_output(output: str) -> JsonLinesOutput | JsonOutput | None:
    if output == "text":
        return None
    from runner.cli.terminal.json_output import JsonLinesOutput, JsonOutput  # lazy: people read text

    return JsonLinesOutput(sys.stdout) if output == "jsonl" else JsonOutput(sys.stdout)


def _run_chat(path: str, options: dict[str, Any], json_output: JsonLinesOutput | JsonOutput | None) -> int:
    from runner.config.loader import load_agent
    from runner.config.template.variables import parse_var_options
    from runner.engine.session import ChatSession
    from runner.tools.context import system_clock

    agent = load_agent(path, overrides=options["settings"], gateway=options["gateway"], model=options["model"])
    messages = options["messages"]
    at_prompt = not messages and sys.stdin is not None and sys.stdin.isatty()
    variables = parse_var_options(options["variables"])
    recorder = _recorder(options, agent, variables)
    approve, ask, consent = _questions() if at_prompt else (None, None, None)
    session = ChatSession.from_agent(
        agent,
        variables=variables,
        stream=options["stream"],
        allow=options["allow"],
        deny=options["deny"],
        trust=options["trust"],
        approve=approve,
        ask=ask,
        consent=consent,
        notify=warn,
        clock=recorder.clock if recorder else system_clock,
        wrap=recorder.wrap if recorder else None,
    )
    with closing(session), _writing(recorder):
        text_output = TextOutput(sys.stdout, sys.stderr, verbose=options["verbose"], only_valid=agent.reply is not None)
        chat = Chat(session, text_output, json_output, recorder)
        if json_output is not None:
            json_output.begin(chat.session_fields(agent))
        if at_prompt:
            return chat.at_prompt(agent, files=options["files"])
        return chat.send_all(messages or _piped_messages(lines=options["lines"]), files=options["files"])


def _questions() -> tuple[Approve, AskUser, Callable[[str], bool]]:
    """What a rule, a tool and a file may ask the user at the terminal."""
    from runner.cli.terminal.questions import approve, ask, consent  # lazy: nobody is asked in a pipe

    return approve, ask, consent


def _recorder(options: dict[str, Any], agent: Agent, variables: dict[str, str]) -> ChatRecorder | None:
    if options["record"] is None:
        return None
    from runner.transcripts.recording.chat_recorder import ChatRecorder  # lazy: few chats are recorded

    return ChatRecorder(Path(options["record"]), agent, variables, allow=options["allow"], deny=options["deny"])


@contextmanager
def _writing(recorder: ChatRecorder | None) -> Iterator[None]:
    """Write the transcript when the block ends, however it ends."""
    try:
        yield
    finally:
        if recorder is not None and (path := recorder.write()) is not None:
            warn(f"the conversation is in {path}")


class Chat:
    """One run of `chat`: a session, where its events are shown, and the recorder that gets them."""

    def __init__(
        self,
        session: ChatSession,
        text_output: TextOutput,
        json_output: JsonLinesOutput | JsonOutput | None,
        recorder: ChatRecorder | None,
    ) -> None:
        self._session = session
        self._text_output = text_output
        self._json_output = json_output
        self._recorder = recorder

    def session_fields(self, agent: Agent) -> dict[str, Any]:
        """The `session` event's fields."""
        return {
            "agent": agent.name,
            "gateway": self._session.broker.gateway.name,
            "model": self._session.broker.model,
            "session": self._session.id,
        }

    def send_all(self, messages: Iterable[str], files: Iterable[str] = ()) -> int:
        """Ask each message in turn; the first failure ends the run."""
        asked = 0
        for message in messages:
            if not message.strip():
                raise UsageError("the message is empty", fix="give -m some text")
            self._turn(message, files if not asked else ())
            asked += 1
        if not asked:
            raise UsageError(
                "there is no message", why="stdin is empty or closed", fix="give one with -m TEXT, or pipe it in"
            )
        return 0

    def at_prompt(self, agent: Agent, files: Iterable[str] = ()) -> int:
        """Read and answer until the user leaves; the error of a turn is printed, and the conversation goes on."""
        from runner.cli.error_output import print_error
        from runner.cli.terminal.prompt import read_lines

        print(
            sanitize(agent.greeting),
            file=sys.stdout if sys.stdout.isatty() and self._json_output is None else sys.stderr,
        )
        for line in read_lines(sanitize(agent.prompt)):
            query = line.strip()
            if query == EXIT_WORD:
                break
            if not query:
                continue
            if re.fullmatch(_COMMAND, query):
                if query not in CHAT_COMMANDS:
                    warn(f"there is no {query}; what there is: {', '.join(CHAT_COMMANDS)}")
                    continue
                query = CHAT_COMMANDS[query]
            try:
                self._turn(query, files)
                files = ()
            except Terminated:
                raise
            except KeyboardInterrupt:
                self._text_output.print_line("agent-run: stopped")
            except AgentRunError as error:
                print_error(error)
                if self._json_output is not None:
                    self._json_output.fail(error)
        return 0

    def _turn(self, message: str, files: Iterable[str]) -> None:
        output = self._json_output or self._text_output
        attached = _attachments(files)
        if self._recorder is not None:
            self._recorder.add_files(files)
        try:
            with closing(self._session.send(message, attached)) as events:
                for event in events:
                    if self._recorder is not None:
                        self._recorder.observe(event)
                    output.show(event)
        finally:
            self._text_output.end_line()


def _attachments(files: Iterable[str]) -> list[Attachment]:
    if not files:
        return []
    from runner.engine.attachments import attach  # lazy: few messages carry images

    return [attach(file) for file in files]


def _piped_messages(*, lines: bool) -> Iterator[str]:
    """The messages that stdin holds: all of it as one, or one a line; blank ones are left out."""
    if sys.stdin is None or sys.stdin.closed:
        return
    source = sys.stdin if lines else [sys.stdin.read()]
    for message in source:
        if message.strip():
            yield message.strip()
