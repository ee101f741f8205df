"""Classic deep-learning projects done properly in Keras 3: train, evaluate, explain, export, serve.

    import keras_dl

    keras_dl.tasks()                                # the tasks; keras_dl.tasks()["spam"] shows the settings of one
    run = keras_dl.train("spam", seed=1)            # on the embedded data, or data="spam.csv"
    run                                             # shows what it is, and its metrics on the test part
    run.report()                                    # curves, calibration, worst errors
    run.predict("You have won a prize, call now")
    run.explain("You have won a prize, call now")   # which words speak for the answer
    keras_dl.compare(run, "runs/spam/another")      # with intervals and paired tests
    keras_dl.open_run("spam").export()              # the newest run of a task, for TensorFlow Serving

Results are plain data, as `keras-dl VERB --json` prints them. They also display themselves in a notebook. A wrong name
or setting, or data that cannot be used, raises a `KerasDLError` with the reason in one line. The package imports
quickly: it loads TensorFlow only when it needs it.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import keras_dl.tasks  # noqa: F401 - first: a later import would put the package in the place of the function
from keras_dl.api import Run, compare, open_run, tasks, train
from keras_dl.errors import KerasDLError

if TYPE_CHECKING:
    __version__: str

__all__ = ["KerasDLError", "Run", "compare", "open_run", "tasks", "train"]


def __getattr__(name: str) -> str:
    """Return `__version__`: that of the installed package, or, in a checkout that is not installed, of setup.cfg."""
    if name != "__version__":
        raise AttributeError(f"module 'keras_dl' has no attribute '{name}'")
    import configparser
    from importlib import metadata

    try:
        return metadata.version("keras-dl")
    except metadata.PackageNotFoundError:
        setup = configparser.ConfigParser()
        setup.read(Path(__file__).parents[1] / "setup.cfg", encoding="utf-8")
        return setup.get("metadata", "version", fallback="unknown")
