"""The error that the command line shows without a traceback."""

from freqfake.exceptions import FreqFakeError


class ReenactmentError(FreqFakeError):
    """Something is missing or does not fit; the message says what, and the mend."""
