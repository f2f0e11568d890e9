"""Damaged files, and what reading them does."""
