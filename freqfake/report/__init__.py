"""Reports on pictures, as pages for the browser. They need the extra ``report``.

A page is one file that loads nothing: the verdict and what it means, the evidence, the spectra,
what the file claims, and what the method cannot tell.
"""

from .batch import Listed, make_report, write_reports
from .examination import Examination, Model, examine
from .page import Report

__all__ = ["Examination", "Listed", "Model", "Report", "examine", "make_report", "write_reports"]
