from .batch import Listed as Listed
from .batch import make_report as make_report
from .batch import write_reports as write_reports
from .examination import Examination as Examination
from .examination import Model as Model
from .examination import examine as examine
from .page import Report as Report
