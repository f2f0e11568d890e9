"""Features: from the pixels of one picture to numbers."""
