"""The page of ``freqfake serve``: drop pictures, see verdicts. It needs the extra ``web``.

There are no public names: the command line is the interface, see :doc:`serve`.
"""
