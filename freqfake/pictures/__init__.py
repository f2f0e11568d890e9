"""Pictures: what counts as one, as an array and as a file, and what a file claims."""
