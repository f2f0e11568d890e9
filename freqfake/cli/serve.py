"""The command ``freqfake serve``."""

import argparse
from typing import Any

from .common import OK, add_command, add_max_pixels, add_model, tell

_EXAMPLES = """
    freqfake serve
    # on a computer without a browser of its own
    freqfake serve --port 8765 --no-browser
"""


def add_serve(commands: Any) -> None:
    """Add ``serve``."""
    text = "score pictures on a page in the browser, on this computer only"
    serve = add_command(commands, "serve", _serve, text, jobs=False, examples=_EXAMPLES)
    add_model(serve)
    add_max_pixels(serve)
    text = "port on 127.0.0.1 (default: any that is free)"
    serve.add_argument("--port", type=int, default=0, metavar="N", help=text)
    text = "do not open the page, only print its address"
    serve.add_argument("--no-browser", dest="browser", action="store_false", help=text)


def _serve(args: argparse.Namespace) -> int:
    import webbrowser

    from ..serve.server import serving

    with serving(args.model, port=args.port, max_pixels=args.max_pixels) as server:
        print(server.address, flush=True)
        if args.browser and not webbrowser.open(server.address):
            tell("no browser was found; open the address in one")
        tell("Ctrl-C ends the page and removes the pictures; save what you need before")
        server.wait()
    return OK
