"""Text of unknown origin made fit to be shown, and hints at what was meant."""

import difflib
from collections.abc import Iterable


def shown(text: str) -> str:
    r"""Text without anything that a terminal would obey.

    Examples
    --------
    >>> from freqfake._text import shown
    >>> print(shown("a\x1b[31m[red]\n.png"))
    a\x1b[31m[red]\n.png
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Make the ending of an error that names what was meant; empty if nothing is close.

    Examples
    --------
    >>> from freqfake._text import did_you_mean
    >>> did_you_mean("scor", ["features", "score"])
    '; did you mean score?'
    >>> did_you_mean("nonsense", ["features", "score"])
    ''
    """
    close = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
