"""`agent-run show AGENT`."""

from __future__ import annotations

import json
from typing import Any

import click

from runner.cli.terminal.streams import print_json, print_text


@click.command()
@click.argument("agent", type=click.Path(readable=False))
@click.option("--var", "variables", multiple=True, metavar="K=V", help="Set a variable of the agent's templates.")
@click.option("--set", "settings", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the agent file.")
@click.option("--gateway", metavar="NAME", help="As for chat: ask this gateway.")
@click.option("--model", metavar="NAME", help="As for chat: ask this model.")
@click.option("--permissions", "call", metavar="CALL", help="Tell which rule decides on 'tool({\"argument\": …})'.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people, or programs.")
def show(agent: str, **options: Any) -> None:
    """Show what would be sent for AGENT: system prompt, tools, options, gateway and context window.

    Nothing is sent, run or imported: of a Python tool, an MCP server or another agent the name alone is shown.
    """
    from runner.commands.show import describe, explain
    from runner.config.loader import load_agent  # lazy: `--help` needs neither
    from runner.config.template.variables import parse_var_options

    loaded = load_agent(agent, overrides=options["settings"], gateway=options["gateway"], model=options["model"])
    if options["call"] is not None:
        print_text(explain(loaded, options["call"]))
        return
    shown = describe(loaded, parse_var_options(options["variables"]))
    print_json(shown) if options["form"] == "json" else print_text(_as_text(shown))


def _as_text(shown: dict[str, Any]) -> str:
    from runner.core.sanitize import sanitize  # lazy

    lines = [f"{shown['name']}  ({shown['file']})"]
    lines += [f"  {shown['description']}"] if shown["description"] else []
    for label, route in (("asks", shown["asks"]), *(("or", other) for other in shown["fallback"])):
        lines.append(
            f"{label + ':':<9}{route['model']} at {route['gateway']}" + (f", {route['url']}" if route["url"] else "")
        )
    lines.append(f"window:  {shown['window']:,} tokens" if shown["window"] else "window:  the model's own, asked of it")
    lines += [f"options: {json.dumps(shown['options'], ensure_ascii=False)}"] if shown["options"] else []
    lines += ["", "system prompt:", *(f"  {line}" for line in shown["system"].rstrip("\n").split("\n"))]
    for tool in shown["tools"]:
        lines += ["", f"tool {tool['name']} ({tool['kind']}): {tool['description']}".rstrip(": ")]
        if tool["parameters"] is None:
            lines.append("  its schema is known once it is opened, when the agent runs")
        else:
            lines += [f"  {line}" for line in json.dumps(tool["parameters"], indent=2, ensure_ascii=False).split("\n")]
    return sanitize("\n".join(lines))
