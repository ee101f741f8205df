"""A few labelled examples of a set from elsewhere: which are drawn, what is fitted to them, and what the rest says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.task import Assets, Output

FEWEST = 10  # labelled examples; fewer say less than what is known without them


def drawn(groups: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Draw whole groups at random until they hold `count` examples or a few more; return a mask, `[examples]`.

    Raises:
        UsageError: if `count` is too small, or more than half of the examples: the rest tells what adapting is worth.
    """
    names, of_group = np.unique(np.asarray(groups, str), return_inverse=True)
    if not FEWEST <= count <= len(of_group) // 2:
        raise UsageError(
            f"--labels {count} must be from {FEWEST} to {len(of_group) // 2}, half of the {len(of_group)} examples: "
            "the others tell how good the new run is"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(of_group)[order]
    taken = order[: 1 + int(np.searchsorted(np.cumsum(sizes), count))]
    return np.isin(of_group, taken)


def refitted(
    output: Output, truth: np.ndarray, values: np.ndarray, assets: Assets, shares: Sequence[float]
) -> tuple[Assets, str]:
    """Return what labelled examples change in the assets, and say so.

    Args:
        output: the kind.
        truth: `[count]`, of the labelled examples.
        values: `[count, ...]`, `Output.value` with these assets.
        assets: as they are without labels.
        shares: class shares that they are made for.

    Raises:
        KerasDLError: if all of them are of one class.
    """
    found = output.strata(truth, assets)
    if output.told_by_folders and len(set(found.tolist())) < 2:
        name = output.names(assets)[int(found[0])]
        raise KerasDLError(f"all {len(truth)} labelled examples are {name}; label more, until both classes are there")
    changed = output.refitted(truth, values, assets, shares)
    if not changed:
        return {}, f"Labels change nothing in answers that are {output.title}."
    text = f"{len(truth)} labelled examples moved the calibration and the threshold, starting from those above."
    return changed, text


def facts(measured: dict[str, Any]) -> dict[str, Any]:
    """Return what the examples that nothing was fitted to say, for the card."""
    kept = ("adapted", "former", "difference", "examples", "groups")
    return {name: measured[name] for name in kept}
