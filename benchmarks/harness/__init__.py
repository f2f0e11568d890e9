"""What the runs share: sets, stored features, treatments, detectors, intervals, tables."""
