"""Words of a command line that an interpreter reads as code: what fills a placeholder in one is run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_SHELL = r"(?:ba|z|da|k|c|tc|a|fi)?sh|busybox"
# The program, and the option whose value is code; its value may be joined to it.
_OPTIONS: Mapping[str, str] = {
    _SHELL: r"-\w*c|--command(?:=|$)",
    r"python[\d.]*w?|pypy[\d.]*|su|runuser|script": r"-[A-Za-z]*c|--command(?:=|$)",
    r"perl[\d.]*|ruby[\d.]*|lua[\d.]*|Rscript|osascript|julia|elixir|groovy": r"-[A-Za-z]*[eE]|--eval(?:=|$)",
    r"node(?:js)?|bun|deno": r"-[A-Za-z]*[ep]|--(?:eval|print)(?:=|$)",
    r"php[\d.]*": r"-[A-Za-z]*[rBRE]|--(?:run|process-\w+)(?:=|$)",
    r"[gmn]?awk": r"-[eE]|--source(?:=|$)",
    r"sed|gsed": r"-[A-Za-z]*e|--expression(?:=|$)",
}
_ALL_AFTER: Mapping[str, str] = {r"cmd": r"/[cCkK]", r"pwsh|powershell": r"-(?i:c|command)", r"eval": ""}
_FIRST_WORD = re.compile(r"[gmn]?awk|g?sed")
_SAYS_WHERE_CODE_IS = re.compile(r"-[A-Za-z]*[ef]|--(?:expression|file|source)(?:=.*)?")
_WRAPPERS = re.compile(
    r"env|sudo|doas|nice|ionice|nohup|timeout|time|stdbuf|setsid|chroot|xargs|parallel|find|fd|watch|busybox|exec|"
    r"command|docker|podman|kubectl|flatpak|unshare|strace|caffeinate|uvx?|poetry|npx|systemd-run|ssh"
)


def script_words(argv: Sequence[str]) -> Iterator[int]:
    """The positions of the words that are code, whatever wraps the interpreter (`sudo`, `env`, `find -exec`, …)."""
    found = set[int]()
    for at, word in enumerate(argv):
        name = re.split(r"[/\\]", word)[-1].removesuffix(".exe")
        found.update(_code_of(name, argv, at))
        if at == 0 and not _WRAPPERS.fullmatch(name):
            break
    yield from sorted(found)


def _code_of(name: str, argv: Sequence[str], at: int) -> Iterator[int]:
    rest = range(at + 1, len(argv))
    if name == "ssh":
        host = next((each for each in rest if not argv[each].startswith("-")), len(argv))
        yield from range(host + 1, len(argv))  # the other side's shell reads them as one line
    for program, option in _ALL_AFTER.items():
        if re.fullmatch(program, name):
            start = at if not option else next((each for each in rest if re.fullmatch(option, argv[each])), len(argv))
            yield from range(start + 1, len(argv))
    for program, option in _OPTIONS.items():
        if re.fullmatch(program, name):
            yield from _values_of(option, argv, rest)
    if _FIRST_WORD.fullmatch(name) and not any(_SAYS_WHERE_CODE_IS.fullmatch(argv[each]) for each in rest):
        yield from [each for each in rest if not argv[each].startswith("-")][:1]


def _values_of(option: str, argv: Sequence[str], rest: range) -> Iterator[int]:
    for each in rest:
        match = re.match(option, argv[each])
        if match and (joined := argv[each][match.end() :]) and not joined.isalpha():
            yield each
            return
        if match:
            yield from [next((later for later in rest if later > each and argv[later][:1] not in "-+"), each)]
            return
        if not argv[each].startswith(("-", "+")) and "=" not in argv[each]:
            return  # a script file: what follows are its arguments
