"""The page's requests: what is answered, and what is refused."""

import contextlib
import json
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import pytest
from conftest_serve import running
from helpers import COMMAND, make_picture, posix, run
from PIL import Image
