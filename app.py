"""The installation: `python app.py --help`."""

import logging
import sys

from engine.faults import StartError
from engine.installation import Installation
from engine.settings import parse_settings


def main(arguments: list[str] | None = None) -> int:
    """Run until somebody quits; returns the exit status, 2 if something given at the start will not do."""
    # A thread that waits for the interpreter asks for it after this long. The generator takes it and gives it
    # back some hundred times a step; at Python's own 5 ms the renderer would slow it down fourfold.
    sys.setswitchinterval(0.0005)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    try:
        Installation(parse_settings(arguments)).run()
    except StartError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
