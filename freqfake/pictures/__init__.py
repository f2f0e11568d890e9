"""Pictures: arrays, files, what a file claims."""
