"""The Kaggle account of whoever downloads, where Kaggle's own tool keeps it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keras_dl.errors import KerasDLError


def account() -> tuple[str, str] | None:
    """Return (user, key) from KAGGLE_USERNAME and KAGGLE_KEY or ~/.kaggle/kaggle.json; None without an account.

    Kaggle gives many sets without one. Raises KerasDLError for a file that is no account file.
    """
    if "KAGGLE_USERNAME" in os.environ and "KAGGLE_KEY" in os.environ:
        return os.environ["KAGGLE_USERNAME"], os.environ["KAGGLE_KEY"]
    file = Path("~/.kaggle/kaggle.json")
    try:
        file = file.expanduser()
        found = json.loads(file.read_text())
        return found["username"], found["key"]
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # the last: there is no home
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise KerasDLError(f"{file}: not a Kaggle account file; download it again from your account page") from error
