"""The error that the command line shows without a traceback."""


class ReenactmentError(Exception):
    """Something is missing or does not fit; the message says what, and the mend."""
