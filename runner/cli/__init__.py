"""The command line: one command a file and a row of COMMANDS; here the group, exit codes and the last error handler."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Any

import click

from runner import __version__
from runner.cli.terminal.streams import prepare

COMMANDS = {
    "chat": "talk with an agent: at a terminal, in a pipe, or in one shot",
    "check": "validate agent and transcript files, every problem at once",
    "show": "what would be sent: prompt, tools, options, gateway, window",
    "replay": "replay transcripts offline against their recordings",
    "record": "run transcripts live and write their recordings",
    "schema": "print the JSON Schema of agent or transcript files",
    "pull": "fetch an embedded model's weights",
    "doctor": "what is installed, reachable, missing",
    "trust": "show what a file can execute and reach, and remember consent",
}

EXIT_INTERRUPTED = 130


class Terminated(KeyboardInterrupt):
    """SIGTERM, or the terminal has gone: what was begun is ended as after ^C, and nothing goes on."""


class _StdoutClosed(Exception):
    """Whoever read stdout has gone. click would end the process for a BrokenPipeError, past what this module does."""


class CommandGroup(click.Group):
    """Commands imported when they are asked for; a first argument that is none is the agent to chat with."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except BrokenPipeError as error:  # --help and --version print here
            raise _StdoutClosed from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _StdoutClosed from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"runner.cli.{cmd_name}"), cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in COMMANDS and args[0] not in {"--version", "--help", "-h"}:
            self._refuse_misspelling(args[0])
            args = ["chat", *args]
        return super().parse_args(ctx, args)

    def _refuse_misspelling(self, word: str) -> None:
        if word.isalpha() and not os.access(word, os.F_OK):
            from runner.core.spelling import close_names  # lazy: people rarely misspell

            if near := close_names(word, COMMANDS, 1):
                raise click.UsageError(f"no command and no file is named {word!r} (did you mean {near[0]!r}?)")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`agent-run AGENT` is `agent-run chat AGENT`. `agent-run COMMAND --help` tells more.",
)
@click.version_option(__version__, prog_name="agent-run")
def cli() -> None:
    """Agents as YAML files, run and regression-tested from the command line."""


def main() -> None:
    """Run the command line and end the process with the contract's exit code."""
    prepare()
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - nobody's home, which must not become the current folder
        os.environ["HOME"] = os.path.abspath(os.sep)  # noqa: PTH100
    for name in ("SIGTERM", "SIGHUP"):
        # Whoever wants us to ignore it, as nohup does, is obeyed.
        if (number := getattr(signal, name, None)) and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _terminate)
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    # Nothing is left to do, and taking the interpreter down piece by piece costs a fifth of a short run.
    os._exit(code)


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: the end must not be cut short
    raise Terminated


def run(arguments: list[str]) -> int:
    """The exit code of `agent-run ARGUMENTS`. Every error the user sees has passed through here."""
    try:
        result: Any = cli.main(arguments, prog_name="agent-run", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except _StdoutClosed:
        _discard_stdout()
        return 0
    except Exception as error:  # noqa: BLE001 - the one handler: what is not ours to explain is our bug
        from runner.cli.error_output import print_error  # lazy: nothing failed, as a rule

        return print_error(error)


def _discard_stdout() -> None:
    """The reader has gone: nothing more can be said to it, not even by the flush at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
