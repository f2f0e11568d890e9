"""Shared by the runs: sets, stored features, treatments, detectors, intervals, tables."""
