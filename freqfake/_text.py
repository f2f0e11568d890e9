"""Make untrusted text safe to show, and suggest corrections."""

import difflib
import unicodedata
from collections.abc import Iterable

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # Unicode's general categories
_SURROGATE_ESCAPES = range(0xDC80, 0xDD00)  # Python's stand-ins for bytes that are not UTF-8


def printable(text: str, *, limit: int | None = None, lines: bool = False) -> str:
    r"""Escape characters that are invisible, reverse the text, or control a terminal.

    HTML is not escaped here; the templates do that.

    Parameters
    ----------
    text : str
    limit : int, optional
        Number of characters to keep; the result says how many there were.
    lines : bool
        Keep line breaks and tabs.

    Examples
    --------
    >>> from freqfake._text import printable
    >>> print(printable("a\x1b[31m[red]\n.png"))
    a\x1b[31m[red]\n.png
    >>> printable("a" * 20, limit=5)
    'aaaaa ... (20 characters in all)'
    """
    shown = "".join(_escaped(character, lines) for character in text[:limit])
    cut = limit is not None and len(text) > limit
    return f"{shown} ... ({len(text)} characters in all)" if cut else shown


def _escaped(character: str, lines: bool) -> str:
    if unicodedata.category(character) not in _HIDDEN or (lines and character in "\n\t"):
        return character
    if ord(character) in _SURROGATE_ESCAPES:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the end of an error that suggests a known name; empty if none is close.

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
