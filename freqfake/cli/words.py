"""Short words about rows of scores: counts of their verdicts, and reasons that fit a table."""

from collections import Counter
from collections.abc import Sequence

from ..batch.tables import Row


class Tally:
    """Counts inputs, faces and verdicts: "6 pictures: 2 fake, 4 inconclusive".

    Parameters
    ----------
    columns : sequence of str, optional
        Columns of the rows; those of networks count inputs, which may be videos.

    Attributes
    ----------
    n_inputs, n_failed : int
        Inputs, and rows with an error.

    Examples
    --------
    >>> from freqfake.cli.words import Tally
    >>> tally = Tally()
    >>> for verdict in ("real", "fake", "real"):
    ...     tally.add([{"verdict": verdict, "error": ""}])
    >>> str(tally)
    '3 pictures: 1 fake, 2 real'
    """

    def __init__(self, columns: Sequence[str] = ()) -> None:
        self.noun = "input" if "n_frames" in columns else "picture"
        self.n_inputs = 0
        self._n_faces = 0
        self._counts: Counter[str] = Counter()

    @property
    def n_failed(self) -> int:
        """Number of rows with an error."""
        return self._counts["error"]

    def add(self, rows: Sequence[Row]) -> None:
        """Count the rows of one input."""
        self.n_inputs += 1
        for row in rows:
            self._counts["error" if row["error"] else row.get("verdict", "")] += 1
            self._n_faces += row.get("face") is not None

    def __str__(self) -> str:
        numbers = counted(self.n_inputs, self.noun)
        if self._n_faces:
            numbers += f", {counted(self._n_faces, 'face')}"
        parts = [f"{n} {word}" for word in ("fake", "real", "inconclusive")
                 if (n := self._counts[word])]  # fmt: skip
        if self.n_failed:
            parts.append(counted(self.n_failed, "error"))
        return f"{numbers}: {', '.join(parts)}" if parts else numbers


def counted(number: int, noun: str) -> str:
    """Put a number before its noun, in the plural if needed."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def short_reason(row: Row) -> str:
    """Shorten the reason for a verdict, for a table that also shows the verdict and the numbers.

    Examples
    --------
    >>> from freqfake.cli.words import short_reason
    >>> reason = "too close to call: weak support for a real picture (...); at this size, ..."
    >>> short_reason({"llr": -0.46, "reason": reason})
    'too close to call (about 2.9 to 1 for real)'
    """
    from ..evidence.calibration import odds, verbal_equivalent

    reason, llr = str(row.get("reason") or ""), row.get("llr")
    if not reason or not llr or llr != llr:  # without evidence, the reason says why
        return reason
    first, *more = reason.split("; ")
    words, side = verbal_equivalent(llr).split(" for ")
    if first.startswith("too close to call"):
        first = f"too close to call ({odds(llr)} for {'fake' if llr > 0 else 'real'})"
    elif first.startswith(words):
        rest = first.partition(")")[2]  # behind the likelihood ratio
        first = f"{words}{f' for {side}' if rest else ''} ({odds(llr)}){rest}"
    return "; ".join([first, *(part for part in more if part.startswith("but "))])
