"""Keep the caches of other packages in a temporary folder, so that only outputs stay."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_VARIABLES = {"matplotlib": "MPLCONFIGDIR", "torch": "TORCHINDUCTOR_CACHE_DIR"}  # of cache folders


@contextlib.contextmanager
def temporary_caches() -> Iterator[None]:
    """Let matplotlib and torch keep their caches in a folder that is removed afterwards.

    They would otherwise make folders in the user's home and in the system's temporary folder.
    Nothing changes for a package whose folder is chosen by the user, or that is imported already.
    """
    wanted = {
        package: name
        for package, name in _VARIABLES.items()
        if package not in sys.modules and name not in os.environ
    }
    with tempfile.TemporaryDirectory(prefix="freqfake-", ignore_cleanup_errors=True) as folder:
        for package, name in wanted.items():  # other processes of the run inherit them
            os.environ[name] = str(Path(folder, package))
        try:
            yield
        finally:
            for name in wanted.values():
                os.environ.pop(name, None)
