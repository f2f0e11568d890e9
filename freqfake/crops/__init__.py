"""Faces and frames cut out of pictures and videos."""
