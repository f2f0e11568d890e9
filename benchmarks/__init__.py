"""Commands that make the figures in the documentation and the embedded model."""
