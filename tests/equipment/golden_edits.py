"""Random edits of a recorded case of the golden set, each with whether what the model sees or what is judged changed.

What an edit means is told by where it is made: an agent's options are sent, its greeting is not. That is written down
here once more, apart from the code under test.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from golden_cases import TRANSCRIPT

Node = Any
Place = tuple[str | int, ...]


class Edit(NamedTuple):
    """One edit that was made."""

    file: str
    what: str
    harmless: bool


class Loader(yaml.SafeLoader):
    """YAML without dates."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Dumper(yaml.SafeDumper):
    """YAML 1.2, in which `6e58` is a number, too."""


Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, "'" if re.fullmatch(r"[-+.0-9][-+.0-9eExob_a-f]*", text) else None
    ),
)


def random_edit(folder: Path, chance: random.Random) -> Edit:
    """Edit one file of the case at random."""
    while True:
        edit = chance.choices(EDITS, WEIGHTS)[0](folder, chance)
        if edit is not None:
            return edit


def places(node: Node, place: Place = ()) -> Iterator[tuple[Place, Node]]:
    """Every value of the tree with its place, the tree itself last."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield from places(value, (*place, key))
    yield place, node


def at(tree: Node, place: Place) -> Node:
    for step in place:
        tree = tree[step]
    return tree


def other(value: Node, chance: random.Random) -> Node:
    """Another value than this one, of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + chance.choice((1, 2, 7))
        case str():
            return f"{value} {chance.choice(('otter', 'Zoë', '7', '«x»'))}" if value else "otter"
    raise AssertionError(value)


def scalars(tree: Node) -> list[Place]:
    return [place for place, value in places(tree) if isinstance(value, bool | int | float | str)]


# --- What an agent file says.


def sent(place: Place) -> bool:
    """Whether the model sees what stands at this place of an agent file."""
    match place:
        case ("options", *_) | ("system_prompt",) | ("reply", "schema", *_):
            return True
        case ("tools", int(), "command" | "http" | "python", "description"):
            return True
        case ("tools", int(), "command" | "http", "parameters", *_):
            return True
    return False


def unsent(place: Place) -> bool:
    """Whether neither the model nor the engine is touched by what stands there, once it is recorded."""
    match place:
        case ("greeting" | "prompt" | "name",) | ("timeouts" | "retry", _):
            return True
        case ("script", int(), "text") | ("variables", "unused"):
            return True
        case ("tools", int(), "command" | "http", "timeout") | ("tools", int(), "http", "headers", _):
            return True
        case ("tools", int(), "mcp", "timeout"):
            return True
    return False


def change_agent(folder: Path, chance: random.Random) -> Edit | None:
    """Another value where the model sees it, or where it does not."""
    file = folder / "agent.yaml"
    tree = load(file)
    harmless = chance.random() < 0.4
    chosen = [place for place in scalars(tree) if (unsent if harmless else sent)(place)]
    if not chosen or by_hand(load_all(folder / TRANSCRIPT)):
        return None
    place = chance.choice(chosen)
    old = at(tree, place)
    at(tree, place[:-1])[place[-1]] = new = other(old, chance)
    dump(file, [tree], chance)
    return Edit(file.name, f"{place}: {old!r} is now {new!r}", harmless)


def drop_option_or_tool(folder: Path, chance: random.Random) -> Edit | None:
    """Without one option, or one tool, or with two tools the other way round."""
    file = folder / "agent.yaml"
    tree = load(file)
    options, tools = tree.get("options", {}), tree.get("tools", [])
    if by_hand(load_all(folder / TRANSCRIPT)):
        return None
    if options and chance.random() < 0.5:
        key = chance.choice(list(options))
        del options[key]
        what = f"option {key} is gone"
    elif len(tools) > 1 and chance.random() < 0.5:
        first, second = chance.sample(range(len(tools)), 2)
        tools[first], tools[second] = tools[second], tools[first]
        what = f"tools {first} and {second} change places"
    elif tools:
        what = f"tool {tools.pop(chance.randrange(len(tools)))} is gone"
    else:
        return None
    dump(file, [tree], chance)
    return Edit(file.name, what, False)


def misspell_key(folder: Path, chance: random.Random) -> Edit | None:
    """A key of the agent file or of the script that is none."""
    file = folder / chance.choice(("agent.yaml", TRANSCRIPT))
    trees = load_all(file)
    keys = [key for key in trees[0] if key not in ("transcript", "extends")]
    key = chance.choice(keys)
    trees[0] = {(f"{name}x" if name == key else name): value for name, value in trees[0].items()}
    dump(file, trees, chance)
    return Edit(file.name, f"{key} is misspelt", False)


def change_prompt(folder: Path, chance: random.Random) -> Edit | None:
    """One more line in a prompt's file: of text, or of a comment."""
    files = sorted((folder / "prompts").glob("*"))
    if not files:
        return None
    file, harmless = chance.choice(files), chance.random() < 0.3
    lines = file.read_text("utf-8").splitlines(keepends=True)
    line = chance.randrange(len(lines))
    lines[line] = "{# otters #}" + lines[line] if harmless else f"Otters.\n{lines[line]}"
    file.write_text("".join(lines), "utf-8")
    return Edit(file.name, f"a line before {line}", harmless)


# --- What a script says.


def change_turns(folder: Path, chance: random.Random) -> Edit | None:
    """A turn more, less, elsewhere, under another name, or with other words."""
    file = folder / TRANSCRIPT
    trees = load_all(file)
    turns = trees[0]["turns"]
    number = chance.randrange(len(turns))
    turn = turns[number]
    if "include" in turn or by_hand(trees):
        return None
    match chance.choice(("words", "drop", "more", "name", "swap")):
        case "words" if isinstance(turn["user"], str):
            turn["user"] = other(turn["user"], chance)
            what = "other words"
        case "drop" if len(turns) > 1:
            del turns[number]
            what = "a turn less"
        case "more":
            turns.insert(number, {"id": "otters", "user": "And otters?"})
            what = "a turn more"
        case "name":
            turn["id"] = f"{turn['id']}x"
            what = "another name"
        case "swap" if len(turns) > 1:
            turns[number], turns[number - 1] = turns[number - 1], turns[number]
            what = "two turns change places"
        case _:
            return None
    dump(file, trees, chance)
    return Edit(TRANSCRIPT, f"turn {number}: {what}", False)


def by_hand(trees: list[Node]) -> bool:
    """Whether the file has recordings of people, which never go stale."""
    return any(tree["recording"].startswith("hand/") for tree in trees[1:])


def break_expectation(folder: Path, chance: random.Random) -> Edit | None:
    """An expectation that cannot hold of what was recorded."""
    file = folder / TRANSCRIPT
    trees = load_all(file)
    found = [
        (expectation, key)
        for turn in trees[0]["turns"]
        for expectation in turn.get("expect", ())
        for key in expectation
        if key in BREAK
    ]
    if not found:
        return None
    expectation, key = chance.choice(found)
    old = expectation[key]
    if expectation.get("severity") == "warn" or (isinstance(old, dict) and "any" in old):
        return None
    expectation[key] = new = BREAK[key](old)
    dump(file, trees, chance)
    return Edit(TRANSCRIPT, f"{key}: {old!r} is now {new!r}", False)


BREAK: dict[str, Callable[[Node], Node]] = {
    "text": lambda old: f"{old} otter",
    "contains": lambda old: {"all": [*old["all"], "otter"]} if isinstance(old, dict) else f"{old} otter",
    "icontains": lambda old: f"{old} otter",
    "regex": lambda old: f"{old} otter",
    "words": lambda old: 0,
    "exit": lambda old: 4 if old == 0 else 0,
    "finish": lambda old: "length",
    "tools": lambda old: {"mode": "superset", "calls": [{"resolve_date": {"date": "never"}}]},
    "budget": lambda old: {"calls": 0},
}


# --- What a recording says.


def machine_turns(file: Path, chance: random.Random) -> tuple[list[Any], Any]:
    """The documents of a transcript, and the turns of one that a machine recorded; None where there is none."""
    trees = load_all(file)
    machine = [tree for tree in trees[1:] if "request" in tree]
    return trees, chance.choice(machine)["turns"] if machine else None


def change_recording(folder: Path, chance: random.Random) -> Edit | None:
    """Another value in a machine's recording, or one less."""
    file = folder / TRANSCRIPT
    trees, turns = machine_turns(file, chance)
    if turns is None:
        return None
    place = chance.choice(scalars(turns))
    parent, key = at(turns, place[:-1]), place[-1]
    old = parent[key]
    if chance.random() < 0.3:
        del parent[key]
        what = f"{place}: {old!r} is gone"
    else:
        parent[key] = other(old, chance)
        what = f"{place}: {old!r} is now {parent[key]!r}"
    dump(file, trees, chance)
    return Edit(TRANSCRIPT, what, False)


def change_replies(folder: Path, chance: random.Random) -> Edit | None:
    """A reply or a call less, twice, or elsewhere; or a turn less or under another name."""
    file = folder / TRANSCRIPT
    trees, turns = machine_turns(file, chance)
    if turns is None:
        return None
    lists = [value for _, value in places(turns) if isinstance(value, list) and value and isinstance(value[0], dict)]
    chosen = chance.choice([*lists, turns])
    if chosen is turns:
        turn = chance.choice(list(turns))
        replies = turns.pop(turn)
        if chance.random() < 0.5:
            turns[f"{turn}x"] = replies
        what = f"turn {turn} is gone or renamed"
    else:
        number = chance.randrange(len(chosen))
        match chance.choice(("drop", "twice", "swap")):
            case "drop":
                what = f"{chosen.pop(number)} is gone"
            case "twice":
                chosen.insert(number, chosen[number])
                what = f"{chosen[number]} is there twice"
            case _ if len(chosen) > 1 and chosen[number] != chosen[number - 1]:
                chosen[number], chosen[number - 1] = chosen[number - 1], chosen[number]
                what = f"{chosen[number]} and its neighbour change places"
            case _:
                return None
    dump(file, trees, chance)
    return Edit(TRANSCRIPT, what, False)


# --- What changes nothing.


def restyle(folder: Path, chance: random.Random) -> Edit | None:
    """The same values, written in another way."""
    files = [file for file in sorted(folder.glob("*.yaml")) if file.name != "library.yaml"]
    file = chance.choice(files)
    dump(file, load_all(file), chance)
    return Edit(file.name, "written in another way", True)


def retype(folder: Path, chance: random.Random) -> Edit | None:
    """The same text with other line ends, comments, or blank lines."""
    file = chance.choice(sorted(folder.glob("*.yaml")))
    lines = file.read_bytes().decode().splitlines(keepends=True)
    tops = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+:", line)]
    what = chance.choice(("comment", "blank", "crlf", "end", "space"))
    match what:
        case "comment":
            lines.insert(chance.choice(tops), f"# {chance.choice(('otters', '---', 'key: [value', '«é»'))}\n")
        case "blank":
            lines.insert(chance.choice(tops), "\n" * chance.randrange(1, 4))
        case "crlf":
            lines = [line.replace("\n", "\r\n") for line in lines]
        case "end":
            lines.append("\n# The end.\n")
        case _:
            number = chance.choice(tops)
            if lines[number].rstrip().endswith(("|", ">", "-")):
                return None
            lines[number] = lines[number].rstrip("\n") + "  # said so\n"
            if '"' in lines[number] or "'" in lines[number]:
                return None
    file.write_bytes("".join(lines).encode())
    return Edit(file.name, what, True)


def add_file(folder: Path, chance: random.Random) -> Edit | None:
    """A file that nothing names."""
    name = chance.choice(("README.md", "other.yaml", ".hidden", "notes/more.txt", "prompts/unused.md", "tools_old.py"))
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise SystemExit(1)\n", "utf-8")
    return Edit(name, "one more file", True)


def label(folder: Path, chance: random.Random) -> Edit | None:
    """Other tags, or another description, of a transcript."""
    file = folder / TRANSCRIPT
    trees = load_all(file)
    key, value = chance.choice((("about", "Otters."), ("tags", ["otters", "slow"]), ("keep_going", True)))
    trees[0][key] = value
    dump(file, trees, chance)
    return Edit(TRANSCRIPT, f"{key} is {value!r}", True)


EDITS: list[Callable[[Path, random.Random], Edit | None]] = [
    change_agent,
    drop_option_or_tool,
    misspell_key,
    change_prompt,
    change_turns,
    break_expectation,
    change_recording,
    change_replies,
    restyle,
    retype,
    add_file,
    label,
]
WEIGHTS = [6, 2, 2, 3, 4, 4, 6, 4, 4, 4, 1, 1]


def load(file: Path) -> Node:
    return load_all(file)[0]


def load_all(file: Path) -> list[Node]:
    return list(yaml.load_all(file.read_text("utf-8"), Loader))


def dump(file: Path, trees: list[Node], chance: random.Random) -> None:
    """Write the documents in one of the ways in which they may be written."""
    style = {
        "default_flow_style": chance.choice((True, False, None)),
        "allow_unicode": chance.random() < 0.5,
        "width": chance.choice((40, 100, 1000)),
        "indent": chance.choice((2, 4)),
    }
    documents = [yaml.dump(tree, Dumper=Dumper, sort_keys=False, **style) for tree in trees]
    file.write_text("---\n".join(documents), "utf-8")
