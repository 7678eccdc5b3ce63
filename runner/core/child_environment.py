"""What of the environment a child process gets: a short list of harmless names, and what the file declares."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

KEPT = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "SYSTEMROOT", "TEMP", "TERM",
    "TMP", "TMPDIR", "TZ", "USER", "USERPROFILE",
)  # fmt: skip


def child_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: no key or token of ours is in it, unless the file declares it."""
    return {name: environ[name] for name in KEPT if name in environ} | dict(variables)


def program_path(name: str, environment: Mapping[str, str]) -> str | None:
    """The absolute path of a program, None if none can be run; relative entries of PATH do not count."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(each for each in folders if each.startswith("/")))
