"""A small MCP server on stdio; it ran when its tools were recorded, and no replay starts it."""

from __future__ import annotations

import json
import sys

TOOLS = [
    {
        "name": "now",
        "description": "The time in a zone.",
        "inputSchema": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]},
    },
    {"name": "boom", "description": "Fails.", "inputSchema": {"type": "object", "properties": {}}},
]


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        method = request["method"]
        if method == "initialize":
            version = request["params"]["protocolVersion"]
            result = {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "c", "version": "1"},
            }
        elif method == "tools/list":
            result = {"tools": TOOLS}
        elif method == "tools/call" and request["params"]["name"] == "now":
            result = {"content": [{"type": "text", "text": "09:30 UTC"}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": "it went off"}], "isError": True}
        else:
            error = {"code": -32601, "message": "no such method"}
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}), flush=True)
            continue
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
