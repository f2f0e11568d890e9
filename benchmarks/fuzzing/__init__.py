"""Fuzzing: reading damaged files."""
