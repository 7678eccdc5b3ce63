"""An MCP server whose answers are drawn at random: mostly of the right form, with anything in the places of values."""

import json
import random
import sys

chance = random.Random(int(sys.argv[1]))
ODD = [None, True, -1, 10**30, 1.5, "", "\x1b[2J\u202e", "x" * 5000, [], [[]], {}, {"a": {}}, "$ref", "..", "\ud800"]


def spoiled(value, rate):
    """The value with some of what is in it replaced, dropped or doubled."""
    if chance.random() < rate:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: spoiled(inner, rate) for key, inner in value.items() if chance.random() > rate / 2}
    if isinstance(value, list):
        return [spoiled(inner, rate) for inner in value for _ in range(chance.choice((1, 1, 1, 2)))]
    return value


def result(message):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "$defs": {"b": {}}}
    tools = [{"name": f"tool{n}", "description": "Does it.", "inputSchema": schema} for n in range(3)]
    tools.append({"name": "echo", "description": "Echo.", "inputSchema": {"type": "object"}})
    answers = {
        "initialize": {
            "protocolVersion": message.get("params", {}).get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {"listChanged": True}, "resources": {}, "prompts": {}},
            "serverInfo": {"name": "far", "version": "1"},
        },
        "tools/list": {"tools": tools},
        "tools/call": {"content": [{"type": "text", "text": "hi"}, {"type": "image", "data": "eA==", "mimeType": "x"}]},
        "resources/list": {"resources": [{"uri": "file:///x", "name": "x"}]},
        "prompts/list": {"prompts": [{"name": "x"}]},
    }
    return answers.get(message["method"], {})


rate = chance.choice((0.0, 0.03, 0.1, 0.4))
for line in sys.stdin:
    message = json.loads(line)
    if chance.random() < rate:
        print(chance.choice(("{", "[]", "null", '{"jsonrpc": "2.0", "id": 99, "result": {}}', "\x1b[2J")), flush=True)
    if "id" in message:
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(message)}
        early = message["method"] == "initialize" and chance.random() < 0.7
        print(json.dumps(answer if early else spoiled(answer, rate)), flush=True)
