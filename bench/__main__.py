"""`python -m bench [startup|streaming|turns|replay]…`: all of them without a name."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("startup", "streaming", "turns", "replay")


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        if name not in NAMES:
            sys.exit(f"no bench {name!r}: one of {', '.join(NAMES)}")
        print(f"{name}")
        import_module(f"bench.{name}").run()


if __name__ == "__main__":
    main()
