"""Detectors: pictures in, scores and verdicts out."""
