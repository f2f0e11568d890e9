"""Short reasons keep what changes the meaning of a verdict."""

import pytest

from freqfake import load_detector
from freqfake.batch.extraction import Extraction, extract
from freqfake.cli.words import short_reason
from freqfake.evidence.calibration import odds


@pytest.fixture(scope="module")
def faces():
    return load_detector()


@pytest.fixture(scope="module")
def fake(samples, faces):
    path = samples / "fake" / "mobilestylegan_201.webp"
    found = extract(str(path), path, compute=faces.compute)
    assert isinstance(found, Extraction)
    return found


def test_a_verdict_has_its_strength_and_odds(faces, fake):
    row = faces.row(fake)
    assert short_reason(row) == f"moderately strong support ({odds(row['llr'])})"


def test_a_limit_is_kept(faces, fake, monkeypatch):
    monkeypatch.setattr(faces, "threshold", lambda *_, **__: 99.0)
    ratio = f"moderately strong support for a generated picture ({odds(2.55)})"
    limits = {
        None: "the model's default limit of 1 % false alarms",
        0.005: "the limit of 0.5 % false alarms that was asked for",
    }
    for asked, limit in limits.items():
        row = faces.row(fake, max_fpr=asked)
        assert row["verdict"] == "inconclusive"
        assert short_reason(row) == f"{ratio}, but not beyond {limit}"


def test_a_training_picture_is_still_named(faces, fake, monkeypatch):
    monkeypatch.setattr(faces, "_was_trained_on", lambda facts: True)
    assert short_reason(faces.row(fake)).endswith("; but this very file was among the training "
                                                  "pictures, so it means little")  # fmt: skip


def test_objections_are_kept_in_full(samples):
    row = load_detector("lewoo").score([samples / "real" / "retina.jpg"]).iloc[0].to_dict()
    assert short_reason(row) == row["reason"]
    assert "; 1411 x 1411 pixels" in row["reason"]
