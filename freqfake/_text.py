"""Text of unknown origin, made fit for a terminal."""


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
