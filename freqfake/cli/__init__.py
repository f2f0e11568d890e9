"""The command line: each command calls public functions and writes their results.

Results go to stdout or ``--out``, messages to stderr. Exit status: 0 for success; 1 if an input
could not be read, an audit failed, or a picture has the verdict of ``--fail-on``; 2 for wrong
usage, or if the result cannot be written; 3 for a bug in freqfake; 128 and the number of the signal
that ended the run: 130 for Ctrl-C.

Importing this package imports no command, so that signals are heeded before the slow imports.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
