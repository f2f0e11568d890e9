"""Text of unknown origin, made fit to be read: nothing hidden, nothing endless."""

import unicodedata

MAX_SHOWN = 2000  # characters of a value

_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})  # Unicode's general categories
_SURROGATE_ESCAPES = range(0xDC80, 0xDD00)  # Python's stand-ins for bytes that are no UTF-8


def visible(text: str, *, limit: int = MAX_SHOWN, lines: bool = False) -> str:
    r"""Write out characters that are not seen, or that turn the text round, and cut what is long.

    HTML is not escaped here; the templates do that.

    Parameters
    ----------
    text : str
    limit : int
        Characters that are kept; how many there were is told.
    lines : bool
        Keep line breaks and tabs.

    Returns
    -------
    str

    Examples
    --------
    >>> from freqfake.report.text import visible
    >>> visible("cat\u202egpj.exe")
    'cat\\u202egpj.exe'
    >>> visible("a" * 20, limit=5)
    'aaaaa ... (20 characters in all)'
    """
    shown = "".join(_seen(character, lines) for character in text[:limit])
    return shown if len(text) <= limit else f"{shown} ... ({len(text)} characters in all)"


def _seen(character: str, lines: bool) -> str:
    if lines and character in "\n\t":
        return character
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    if code in _SURROGATE_ESCAPES:
        return f"\\x{code - 0xDC00:02x}"
    if character == "\n":
        return "\\n"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
