"""Fewer bootstrap draws, for tests that are not about them: a thousand take longer than the rest of the test."""

import pytest

from keras_dl.measures.bootstrap import Draws
from keras_dl.outputs import classes, ranked


def few_draws(patch: pytest.MonkeyPatch, draws: int) -> None:
    """Make so many draws where nobody asks for a number."""
    patch.setattr(Draws.__init__, "__defaults__", (draws,))


def few_bands(patch: pytest.MonkeyPatch, draws: int = 5) -> None:
    """Make so many draws for the bands in figures."""
    for module in (ranked, classes):
        patch.setattr(module, "BAND_DRAWS", draws)
