"""`agent-run schema agent|transcript`."""

from __future__ import annotations

import click


@click.command()
@click.argument("kind", type=click.Choice(["agent", "transcript"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of agent or transcript files, for editors.

    An editor with a YAML language server completes and checks a file that begins with
    `# yaml-language-server: $schema=PATH`.
    """
    from runner.config.validation.schema import schema_text  # lazy: `--help` needs it not

    click.echo(schema_text(kind), nl=False)
