"""Where the embedded sets lie: data/samples of a checkout, keras_dl/samples of an installed wheel."""

from __future__ import annotations

from pathlib import Path

from keras_dl.errors import KerasDLError

PACKAGE = Path(__file__).parents[1]
# In a checkout keras_dl/samples is a link to data/samples; some file systems and archives know no links.
PLACES = (PACKAGE / "samples", PACKAGE.parent / "data" / "samples")


def folder(name: str) -> Path:
    """Return the folder of an embedded set, such as "emoji"; only to be read.

    Raises:
        KerasDLError: if it is not there, because the installation is not whole.
    """
    for place in PLACES:
        if name and (place / name).is_dir():
            return (place / name).resolve()
    raise KerasDLError(
        f"the embedded set '{name}' is not in {PACKAGE / 'samples'}; "
        "reinstall the package; in the checkout: pip install --force-reinstall --no-deps -e ."
    )
