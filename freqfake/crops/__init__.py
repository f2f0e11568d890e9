"""Faces and frames: found in pictures and videos, and cut out."""
