"""Whether two sets of examples differ, and by how much: two-sample tests that permute whole groups.

The examples of one patient are no independent witnesses, so a permutation gives whole patients to the one set or the
other. A p value says whether there is a difference at all; with enough examples there always is one. So each comes with
a size, and with the size that chance alone gives, on average.

- **Features**: the maximum mean discrepancy with a Gaussian kernel (MMD; Gretton et al. 2012), for p; pairs of examples
  of one group are left out of it. Its size says little to people. That is how well a classifier tells the sets apart
  on groups it has not seen: the area under its ROC curve (Lopez-Paz, Oquab 2017).
- **Scores**: the largest gap between the shares below a score (Kolmogorov-Smirnov), for p: it sees another share of the
  classes sooner than the population stability index over ten bins of equal share (PSI), which gives the size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PERMUTATIONS = 999
MOST = 1000  # examples of each set that the features are compared on: time and memory grow with the square
BINS = 10
FOLDS = 5
EDGES = {"psi": (0.1, 0.25), "auroc": (0.6, 0.75)}  # from which a size is moderate, and large
SIZES = ("small", "moderate", "large")
CERTAIN = 0.05  # a p value below it is a difference

Statistic = Callable[[np.ndarray], np.ndarray]
"""Takes of each permutation the groups of the second set, `[permutations, groups]` bool; gives `[permutations]`."""


@dataclass(frozen=True)
class Pair:
    """Two sets of examples, one after the other: which group each is of, and which groups are of the second set."""

    numbers: np.ndarray  # [count], of groups from 0
    second: np.ndarray  # [groups], bool

    @classmethod
    def of(cls, first: Sequence[Any], second: Sequence[Any]) -> Pair:
        """Take the names of both sets' groups; two groups of one name in different sets are different ones."""
        names = [("first", str(name)) for name in first] + [("second", str(name)) for name in second]
        there = {name: number for number, name in enumerate(sorted(set(names)))}
        return cls(np.array([there[name] for name in names]), np.array([name[0] == "second" for name in there]))

    def __len__(self) -> int:
        return len(self.numbers)

    def thinned(self, most: int | None, seed: int) -> np.ndarray:
        """Return rows, chosen at random, such that groups may change places: those of both sets are of like size.

        From each group at most as many examples are taken as the median group of the set with the smaller groups has.
        `most`: whole groups are left out beyond so many examples of a set; None: none is.
        """
        random = np.random.default_rng(seed)
        order = random.permutation(len(self))
        order = order[np.argsort(self.numbers[order], kind="stable")]  # by group, in each at random
        sizes = np.bincount(self.numbers)
        each = max(1, int(min(np.median(sizes[self.second]), np.median(sizes[~self.second]))))
        place = np.arange(len(self)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows, sizes = order[place < each], np.minimum(sizes, each)
        keep, groups = np.zeros(len(self.second), dtype=bool), random.permutation(len(self.second))
        for one in (False, True):
            mine = groups[self.second[groups] == one]
            before = np.cumsum(sizes[mine]) - sizes[mine]
            keep[mine[before < most] if most else mine] = True
        return np.sort(rows[keep[self.numbers[rows]]])

    def at(self, rows: np.ndarray) -> Pair:
        """Return the pair of some rows."""
        there, numbers = np.unique(self.numbers[rows], return_inverse=True)
        return Pair(numbers, self.second[there])

    def tested(self, statistic: Statistic, seed: int) -> dict[str, Any]:
        """Return a statistic, "value", that is 0 without a difference; its mean by "chance", and p.

        p is None where there are too few groups for it to be below 0.05.
        """
        from scipy.stats import permutation_test

        groups = len(self.second)

        def of_groups(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
            chosen = np.zeros((*second.shape[:-1], groups), dtype=bool)
            np.put_along_axis(chosen, second, True, -1)
            return statistic(np.atleast_2d(chosen)).reshape(second.shape[:-1])

        sets = np.flatnonzero(~self.second), np.flatnonzero(self.second)
        found = permutation_test(
            sets,
            of_groups,
            vectorized=True,
            n_resamples=PERMUTATIONS,
            batch=64,
            alternative="greater",
            rng=np.random.default_rng(seed),
        )
        least = 1 / len(found.null_distribution)  # exact where there are few permutations
        p = float(found.pvalue) if least < CERTAIN else None
        chance = float(np.mean(found.null_distribution))
        return {"value": rounded(found.statistic), "chance": rounded(chance), "p": None if p is None else rounded(p)}


def features(first: np.ndarray, second: np.ndarray, pair: Pair, seed: int = 0) -> dict[str, Any]:
    """Compare features `[count, width]` of two sets, on at most MOST examples of each, whole groups at random.

    Returns:
        `{"mmd": {"value", "chance", "p"}, "auroc", "examples", "size": in a word}`; "auroc" is 0.5 where nothing tells
        the sets apart, and None where there are too few groups to learn it.
    """
    rows = pair.thinned(MOST, seed)
    thin, vectors = pair.at(rows), np.concatenate([first, second])[rows].astype(np.float64)
    found = thin.tested(discrepancy(vectors, thin), seed)
    auroc = told_apart(vectors, thin, seed)
    return {"mmd": found, "auroc": auroc, "examples": len(rows), "size": size(auroc, EDGES["auroc"])}


def discrepancy(vectors: np.ndarray, pair: Pair) -> Statistic:
    """Return the squared MMD of vectors `[count, width]`, without pairs of one group: 0 on average without difference.

    The kernel's width is the median distance of two examples (Gretton et al. 2012).
    """
    from scipy.sparse import csr_array
    from scipy.spatial.distance import pdist, squareform

    distances = pdist(vectors, "sqeuclidean")
    kernel = squareform(np.exp(-distances / max(float(np.median(distances)), 1e-12)))
    count, groups = len(pair), len(pair.second)
    member = csr_array((np.ones(count), (pair.numbers, np.arange(count))), shape=(groups, count))
    sums = member @ (member @ kernel).T  # of each two groups
    np.fill_diagonal(sums, 0)
    sizes = np.bincount(pair.numbers).astype(float)
    pairs = np.outer(sizes, sizes)
    np.fill_diagonal(pairs, 0)

    def statistic(second: np.ndarray) -> np.ndarray:
        one, two = 1.0 - second, second.astype(float)

        def mean(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            below = np.einsum("ij,ij->i", left @ pairs, right)
            return np.einsum("ij,ij->i", left @ sums, right) / np.maximum(below, 1)

        return mean(one, one) + mean(two, two) - 2 * mean(one, two)

    return statistic


def told_apart(vectors: np.ndarray, pair: Pair, seed: int) -> float | None:
    """Return how well a classifier tells the sets apart, on groups that it was not fitted to: the area under its ROC.

    None where a set has fewer groups than there are folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if min(pair.second.sum(), (~pair.second).sum()) < FOLDS:
        return None
    truth = pair.second[pair.numbers]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    said = cross_val_predict(model, vectors, truth, groups=pair.numbers, cv=folds, method="decision_function")
    return rounded(roc_auc_score(truth, said))


def scores(first: np.ndarray, second: np.ndarray, pair: Pair, seed: int = 0) -> dict[str, Any]:
    """Compare scores `[count]` of two sets.

    p is of thinned sets, whose groups may change places; the value, and what chance gives, are of all examples.

    Returns:
        `{"ks": {"value", "chance", "p"}, "psi": {"value", "chance", "p"}, "size": in a word, of the PSI}`.
    """
    both, found = np.concatenate([first, second]).astype(np.float64), {}
    rows = pair.thinned(None, seed)
    thin = pair.at(rows)
    for name, statistic in (("ks", gap), ("psi", stability)):
        found[name] = pair.tested(statistic(both, pair), seed)
        if len(rows) < len(pair):
            found[name]["p"] = thin.tested(statistic(both[rows], thin), seed)["p"]
    return {**found, "size": size(found["psi"]["value"] - found["psi"]["chance"], EDGES["psi"])}


def gap(values: np.ndarray, pair: Pair) -> Statistic:
    """Return the Kolmogorov-Smirnov distance of values `[count]`: the largest gap between the shares up to a value."""
    order = np.argsort(values, kind="stable")
    groups, last = pair.numbers[order], np.append(np.diff(values[order]) > 0, True)

    def statistic(second: np.ndarray) -> np.ndarray:
        two = second[:, groups]
        above, below = np.cumsum(two, axis=1), np.cumsum(~two, axis=1)
        return np.abs(above / above[:, -1:] - below / below[:, -1:])[:, last].max(axis=1)

    return statistic


def stability(values: np.ndarray, pair: Pair) -> Statistic:
    """Return the population stability index of values `[count]` over bins of equal share in both sets together."""
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    places, bins = np.searchsorted(edges, values), len(edges) + 1
    table = np.zeros((len(pair.second), bins))
    np.add.at(table, (pair.numbers, places), 1)

    def statistic(second: np.ndarray) -> np.ndarray:
        two, one = second @ table + 0.5, (~second) @ table + 0.5  # half an example: no bin is empty
        two, one = two / two.sum(axis=1, keepdims=True), one / one.sum(axis=1, keepdims=True)
        return ((two - one) * np.log(two / one)).sum(axis=1)

    return statistic


def size(value: float | None, edges: Sequence[float]) -> str | None:
    """Say a size in a word."""
    return None if value is None else SIZES[sum(value >= edge for edge in edges)]


def rounded(value: float) -> float:
    """Round to six digits after the point."""
    return round(float(value), 6)
