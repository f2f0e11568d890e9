"""Columns and rows of tables of scores."""

from typing import Any

SCORE_COLUMNS = ("path", "score", "llr", "p_fake", "verdict", "reason", "error")
FACE_COLUMNS = ("path", "face", "left", "top", "right", "bottom", *SCORE_COLUMNS[1:])
FACE_NUMBERS = FACE_COLUMNS[1:6]
FRAME_NUMBERS = ("n_frames", "n_real", "n_fake")
FRAME_COLUMNS = (*SCORE_COLUMNS[:-1], *FRAME_NUMBERS, SCORE_COLUMNS[-1])
DEEP_COLUMNS = ("deep_score", "deep_llr", "deep_verdict", "deep_reason")
PROVENANCE_COLUMNS = ("sha256", "model_sha256", "max_fpr", "threshold", "prior", "versions")


def score_columns(
    *, faces: bool = False, deep: bool = False, provenance: bool = False
) -> list[str]:
    """Columns of a table of scores."""
    more = (*(DEEP_COLUMNS if deep else ()), *(PROVENANCE_COLUMNS if provenance else ()))
    return [*(FACE_COLUMNS if faces else SCORE_COLUMNS), *more]


def as_row(
    path: str,
    score: float,
    llr: float,
    p_fake: float,
    verdict: str,
    reason: str,
    error: str = "",
) -> dict[str, Any]:
    """Row of a table of scores."""
    values = (path, score, llr, p_fake, verdict, reason, error)
    return dict(zip(SCORE_COLUMNS, values, strict=True))


def as_face(row: dict[str, Any], *numbers: int) -> dict[str, Any]:
    """Row with the number and the box of a face, which are missing if not given."""
    about = dict(zip(FACE_NUMBERS, numbers or [None] * len(FACE_NUMBERS), strict=True))
    return {**row, **about}
