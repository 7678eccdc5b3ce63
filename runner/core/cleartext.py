"""What may not leave this machine without TLS: keys, passwords, and what the environment fills into a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from runner.core.addresses import is_cleartext
from runner.core.secrets import environment_secrets, has_known_secret, is_secret_name, looks_secret

_BEFORE_HOST_ENDS = r"(?:[^/?#\\@]+://[^/?#\\@]*)?"
_AUTHORITY_ENDS = r"[/?#\\]"
# A variable of this name holds an address, though KEY or AUTH may stand in the name, as in KEYCLOAK_URL.
_ADDRESS_NAME = r"(?:HOST|HOSTNAME|UR[IL]|ADDR|ADDRESS|SERVER|SERVICE|ENDPOINT|DOMAIN|PORT|ORIGIN|REGION|BASE)S?\d*$"


def found_in_clear(
    url: str, headers: Mapping[str, Any], environ: Mapping[str, str], *, configured: bool = True
) -> tuple[str, str]:
    """What of a request must not go to its url because it can be read on the way: the part, and a word for it.

    The part is "url", the name of a header, or "" where all of it may go. Looked for are credentials by their names
    and shapes, and the values of `environ` whose names say secret. A long random word in a url that is `configured`,
    and not put together from a model's words, is a key.
    """
    if not is_cleartext(url):
        return "", ""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        return "url", "a user name and password"
    for name, value in headers.items():
        if is_secret_name(name) or has_known_secret(str(value)):
            return name, f"the header {name}"
    target = unquote(f"{parts.netloc}{parts.path}?{parts.query}")
    words = re.split(r"[/?&=]", unquote(f"{parts.path}?{parts.query}")) if configured else ()
    if has_known_secret(target) or any(map(looks_secret, words)):
        return "url", "what looks like a key"
    for variable, secret in environment_secrets(environ).items():
        if _holds_address(variable):
            continue
        if secret in target:
            return "url", f"the value of {variable}"
        if holder := next((name for name, value in headers.items() if secret in str(value)), ""):
            return holder, f"the value of {variable}"
    return "", ""


def is_address_part(name: str, value: str, before: str, after: str) -> bool:
    """Whether a variable's value is no more than where a url leads: its host and port, or the beginning of it.

    `before` and `after` are what stands around it in the url. A value that holds a key in any form is more than that.
    """
    if re.fullmatch(_BEFORE_HOST_ENDS, before) is None or "@" in re.split(_AUTHORITY_ENDS, after)[0]:
        return False
    if is_secret_name(name) and not _holds_address(name):
        return False
    path = value.partition("://")[2].partition("/")[2]
    return not ("@" in value or "?" in value or has_known_secret(value) or any(map(looks_secret, path.split("/"))))


def _holds_address(variable: str) -> bool:
    return re.search(_ADDRESS_NAME, variable, re.IGNORECASE) is not None
