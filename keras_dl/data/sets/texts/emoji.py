"""Short sentences and the emoji that suits each of them, one of five: the course exercise "Emojify".

Source   copies of the exercise's files train_emoji.csv and tesss.csv (also named test_emoji.csv)
Licence  none is stated
Sizes    train 132 (22 heart, 19 baseball, 38 smile, 36 disappointed, 17 fork and knife), test 56
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keras_dl.data import samples, tables
from keras_dl.data.archive import SUFFIXES, unpacked
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.data.files import walk
from keras_dl.data.texts import Row, Texts, collect, with_unread
from keras_dl.errors import KerasDLError

TITLE = "Emojify: sentences with an emoji"
LICENCE = "course material; no licence is stated"
CITATION = "Exercise Emojify of the course Sequence Models, Deep Learning Specialization, DeepLearning.AI."
INTENDED_USE = "Teaching: how pretrained word vectors help a classifier that has few examples."
LIMITS = (
    "For one short English sentence. There are only five classes and 132 training examples, so every sentence gets one "
    "of the five, whatever it says. One sentence changes the test accuracy by 1.8 points. The set has few negations "
    "and no irony."
)
EMOJI = {
    "heart": "\u2764\ufe0f",
    "baseball": "\u26be",
    "smile": "\U0001f604",
    "disappointed": "\U0001f61e",
    "fork_and_knife": "\U0001f374",
}
CLASSES = tuple(EMOJI)
LABELS = {str(number): name for number, name in enumerate(CLASSES)}  # as the files have them
TRAIN, TESTS = "train_emoji.csv", ("tesss.csv", "test_emoji.csv")  # tesss.csv is what the exercise itself measures on
FORMAT = "one sentence and its number (0 to 4) per line, such as: see you at lunch,4"
TINY_SENTENCES = {TRAIN: 60, "test_emoji.csv": 30}


COPY = "bharathjatoth/Sentiment_analysis", "5faea4f9edcbf2a2f715dcfd7e60179f9d8c06ef"
SOURCES = {
    # The training sentences were compared with the exercise's own: the same 132, after a header.
    "github": Source(
        base="https://raw.githubusercontent.com/{}/{}".format(*COPY),
        files={TRAIN: "data/train_emoji.csv", "tesss.csv": "data/tesss.csv"},
        holds={TRAIN: 132, "tesss.csv": 50},
        by_hand="open https://github.com/{}/tree/{}/data ".format(*COPY)
        + "(or the course's exercise Emojify), save train_emoji.csv and tesss.csv in {target}, then type: "
        "keras-dl train emoji --data {target}",
    ),
}


def read(source: Path, *, bad_share: float = 0.05) -> Texts:
    """Read the set from a folder or archive with train_emoji.csv, or from one CSV file.

    A row is a sentence, its number (0 to 4) and columns that mean nothing. A first line that names the columns is
    skipped, blanks and tabs within a sentence become one blank. The parts are "train" and "test" where the folder
    has tesss.csv or test_emoji.csv too (tesss.csv of both), else "".

    Args:
        source: the folder, archive or file.
        bad_share: the largest share of unusable rows that is only reported.

    Raises:
        KerasDLError: if there is no such file, it is no such CSV, or more rows are unusable.
    """
    source = Path(source)
    if source.is_file() and not source.name.lower().endswith(SUFFIXES):
        return collect(_rows(source, ""), LABELS, source, bad_share=bad_share)
    train, test, others = _files(unpacked(source, cache_folder() / "unpacked"), source)
    rows = [*_rows(train, "train" if test else ""), *(_rows(test, "test") if test else ())]
    return with_unread(collect(rows, LABELS, source, bad_share=bad_share), others)


def synthesize(folder: Path | None = None, *, tiny: bool = False, seed: int = 0) -> Path:
    """Write the embedded sentences, made for this package, in the real format into `folder` or the cache, once.

    Args:
        folder: where to make the folder that is returned; None for the cache.
        tiny: 60 + 30 sentences instead of all, each class as often as the others.
        seed: chooses the tiny ones; all are always the same.

    Returns:
        The folder to give to `read`.
    """
    embedded = samples.folder("emoji")
    files = {name: (embedded / name).read_bytes() for name in TINY_SENTENCES}
    version = hashlib.sha256(b"".join(files.values())).hexdigest()[:8]  # other sentences get another folder
    kind = f"-{seed}-tiny" if tiny else ""

    def make(work: Path) -> None:
        for name, data in files.items():
            lines = data.splitlines(keepends=True)
            (work / name).write_bytes(b"".join(_some(lines, TINY_SENTENCES[name], seed) if tiny else lines))

    return made_once(Path(folder or cache_folder()) / f"emoji-embedded-{version}{kind}", make)


def download(folder: Path, source: str = "github", *, base: str | None = None) -> Path:
    """Download the set into `folder` (5 kB) and return the folder to give to `read`.

    Args:
        folder: where to make it.
        source: a name from SOURCES. None of them gives checksums: the sum seen first is kept beside each file.
        base: another address that has the same files below it.

    Raises:
        UsageError: if the source is not known.
        KerasDLError: if it cannot be had, with how to get it by hand.
    """
    place = source_named(source, SOURCES)
    target = Path(folder).absolute() / f"emoji-{source}"
    fetch_files(place, {name: target / name for name in place.files if not (target / name).exists()}, target, base=base)
    for name, least in place.holds.items():
        count = sum(1 for _ in _rows(target / name, ""))
        if count < least:
            raise KerasDLError(
                f"{target / name}: {count} sentences instead of {least} and more; delete {target}, then download again"
            )
    return target


def _files(folder: Path, source: Path) -> tuple[Path, Path | None, list[Path]]:
    """Find the training file, in the folder or somewhere below it, the test file beside it, and the other tables."""
    visible = [path for path in walk(folder) if tables.is_table(path)]
    found = [path for path in visible if path.name.lower() == TRAIN]
    if len(found) != 1:
        others = ", ".join(str(path.relative_to(folder)) for path in (found or visible)[:3])
        have = f"there are {len(found)}: {others}" if found else f"there is {others or 'no CSV file'}"
        raise KerasDLError(
            f"{source}: expected one {TRAIN} and, next to it, {' or '.join(TESTS)}; {have}; "
            "pass the folder that has them to --data, or one CSV file"
        )
    beside = {path.name.lower(): path for path in visible if path.parent == found[0].parent}
    test = next((beside[name] for name in TESTS if name in beside), None)
    return found[0], test, [path for path in visible if path not in (found[0], test)]


def _rows(path: Path, part: str) -> Iterator[Row]:
    """Give the sentences of a file, checked to be one that has any."""
    table = tables.read(path)
    text, label = table.column("text"), table.column("label")
    if text is not None and label is not None:
        named = [
            (line, " ".join(row[text].split()), row[label].strip())
            for line, row in table.filled
            if len(row) > max(text, label)
        ]
        rows = named
    else:
        rows = [(line, *_sentence(row, table.separator)) for line, row in (*filter(None, [table.first]), *table.filled)]
        if rows and re.search("[A-Za-z]", rows[0][2]) and rows[0][2] not in LABELS:  # a header, not a label
            rows = rows[1:]
    if not any(label for *_, label in rows):
        what = "no row has a label" if rows else "it has no sentences"
        raise KerasDLError(f"{path}: {what}; expected {FORMAT}")
    return (Row(f"{path.name}:{line}", text, label, part) for line, text, label in rows)


def _sentence(cells: list[str], separator: str) -> tuple[str, str]:
    """Return sentence and label of a row; a sentence with commas and no quotes fills several cells."""
    places = [place for place, cell in enumerate(cells) if place and re.fullmatch(r"\s*-?\d+\s*", cell)]
    place = places[0] if places and cells[1].strip() else 1  # without a label a stray number is none
    return " ".join(separator.join(cells[:place]).split()), "".join(cells[place : place + 1]).strip()


def _some(lines: list[bytes], count: int, seed: int) -> list[bytes]:
    """Choose lines at random, each class as often as the others, in the order of the file."""
    labels = np.array([line.rsplit(b",", 3)[1] for line in lines])
    random = np.random.default_rng(seed)
    share = count // len(CLASSES)
    chosen = [random.permutation(np.flatnonzero(labels == label))[:share] for label in np.unique(labels)]
    return [lines[row] for row in sorted(np.concatenate(chosen))]
