"""Detectors on features."""
