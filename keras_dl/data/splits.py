"""Divide examples into train, validation and test so that no patient or document is in two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from keras_dl.errors import KerasDLError

NAMES = ("train", "validation", "test")


def by_group(
    groups: Sequence[str] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    *,
    seed: int,
    validation: float = 0.1,
    test: float = 0.15,
    parts: Sequence[str] | np.ndarray | None = None,
    classes: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return sorted index arrays "train", "validation" and "test": disjoint by group, stratified by label.

    `validation` and `test` are shares of the examples in [0, 1); a share of 0 gives an empty split. Where
    `parts` says "test", exactly those examples are the test split and `validation` is a share of the others.
    `classes` names all labels that there must be. The result depends on the seed and the groups, not on their order.
    Raises KerasDLError when a class has fewer groups than there are splits, or there are not two classes.
    """
    groups, labels = np.asarray(groups, dtype=str), np.asarray(labels, dtype=np.int64)
    official = np.zeros(len(groups), bool) if parts is None else np.asarray(parts, dtype=str) == "test"
    if official.any():
        test = 0.0
        _refuse_shared_groups(groups, official)
    if min(validation, test) < 0 or validation + test >= 1:
        raise KerasDLError(
            f"validation={validation:g} and test={test:g} cannot be shares of the whole: "
            "each must be at least 0, and their sum below 1"
        )
    shares = {"test": test, "validation": validation, "train": 1 - validation - test}
    shares = {name: share for name, share in shares.items() if share > 0}
    rest = np.flatnonzero(~official)
    _refuse_few_groups(groups[rest], labels[rest], shares, classes)

    chosen = _assign(groups[rest], labels[rest], shares, np.random.default_rng(seed))
    split = {name: rest[chosen == name] for name in NAMES}
    if official.any():
        split["test"] = np.flatnonzero(official)
    _refuse_missing_class(split, labels, shares, classes)
    return split


def _assign(groups: np.ndarray, labels: np.ndarray, shares: Mapping[str, float], random: np.random.Generator):
    """Name the split of every example: class by class, each group in random order to the emptiest split.

    scikit-learn's StratifiedGroupKFold does as well on a thousand groups, but takes 18 s on 25,000 (this: 0.1)
    and can leave a small class out of a split; here the first groups of every class go one to each.
    """
    names, of_group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    stratum = _rarest_label(of_group, labels, len(names))
    chosen = np.empty(len(names), dtype="U10")
    for label in np.unique(stratum):
        members = random.permutation(np.flatnonzero(stratum == label))
        filled = dict.fromkeys(shares, 0)
        for member in members:
            name = min(shares, key=lambda name: filled[name] / shares[name])
            chosen[member] = name
            filled[name] += int(sizes[member])
    return chosen[of_group]


def _rarest_label(of_group: np.ndarray, labels: np.ndarray, groups: int) -> np.ndarray:
    """Return one label per group: its own, or of several the one that the fewest groups have."""
    pairs = np.unique(np.stack([of_group, labels], axis=1), axis=0)  # (pairs, 2): group, label
    values, column, groups_of_label = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    rarest = np.empty(groups, dtype=np.int64)
    commonest_first = np.lexsort((values[column], -groups_of_label[column]))
    rarest[pairs[commonest_first, 0]] = values[column][commonest_first]  # the last write stays: the rarest
    return rarest


def _refuse_shared_groups(groups: np.ndarray, official: np.ndarray) -> None:
    shared = np.intersect1d(groups[official], groups[~official])
    if len(shared):
        raise KerasDLError(
            f"{len(shared)} groups are both in the official test part and outside it, such as '{shared[0]}'; "
            "remove them from train/ and validation/, or move the images of test/ there for a split by group"
        )


def _refuse_few_groups(
    groups: np.ndarray, labels: np.ndarray, shares: Iterable[str], classes: Sequence[str] | None
) -> None:
    present = np.unique(labels)
    if len(present) < 2:
        found = ", ".join(_class_name(label, classes) for label in present) or "none"
        raise KerasDLError(
            f"at least two classes are needed outside the test part, found {found}; "
            "pass a set with examples of every class to --data"
        )
    splits = ", ".join(name for name in NAMES if name in shares)
    for label in present if classes is None else range(len(classes)):  # a network has an output for every class
        count = len(np.unique(groups[labels == label]))
        if count < len(list(shares)):
            raise KerasDLError(
                f"class {_class_name(label, classes)} has {count} groups (patients, documents) for {splits}; "
                "each of these needs one: add examples from other groups"
            )


def _refuse_missing_class(
    split: Mapping[str, np.ndarray], labels: np.ndarray, shares: Iterable[str], classes: Sequence[str] | None
) -> None:
    """Groups of several classes can leave a class out of a split; this is rare and another seed helps."""
    for name in shares:
        for label in np.setdiff1d(labels, labels[split[name]]):
            raise KerasDLError(
                f"class {_class_name(label, classes)} is missing in {name}, because its groups also contain other "
                "classes; add examples from other groups, or try --set seed=1"
            )


def _class_name(label: int, classes: Sequence[str] | None) -> str:
    return f"'{classes[label]}'" if classes else str(label)
