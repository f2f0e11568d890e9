"""Model files: one format for detectors and networks, read without trusting it."""
