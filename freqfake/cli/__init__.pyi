from .commands import main as main
from .commands import make_parser as make_parser
from .signals import program as program
