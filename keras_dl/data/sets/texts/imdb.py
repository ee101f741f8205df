"""Film reviews, for or against: the Large Movie Review Dataset of Maas et al. 2011, from the Internet Movie Database.

Source   https://ai.stanford.edu/~amaas/data/sentiment/; on Kaggle as lakshmi25npathi/imdb-dataset-of-50k-movie-reviews
Licence  none is stated: free for research with the citation; the reviews are their writers'
Sizes    train 25,000, test 25,000, half of each positive; 50,000 without label; at most 30 reviews of a film
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_dl.data import kaggle, layout, samples
from keras_dl.data.archive import SUFFIXES, unpack, unpacked
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.data.images import Skipped
from keras_dl.data.sets.texts import reviews_synthetic
from keras_dl.data.texts import Row, Texts, check, collect, labelled, tables_in
from keras_dl.errors import BadInput, KerasDLError
from keras_dl.progress import bar

TITLE = "Large Movie Review Dataset (IMDb)"
LICENCE = "None stated: free for research with the citation; the reviews belong to their writers"
CITATION = (
    "Maas, A. L., Daly, R. E., Pham, P. T., Huang, D., Ng, A. Y., Potts, C. (2011). Learning Word Vectors for "
    "Sentiment Analysis. ACL 2011, 142-150. https://aclanthology.org/P11-1015"
)
INTENDED_USE = "Teaching and method comparison on English film reviews."
LIMITS = (
    "The set has only clear opinions (at most 4 or at least 7 points of 10) about films, in English, from before 2011. "
    "It has no lukewarm texts, no other subjects or languages, and no later slang."
)
CLASSES = ("negative", "positive")
FOLDERS = {"neg": "negative", "pos": "positive"}
LABELS = {name: name for name in CLASSES} | FOLDERS | {"0": "negative", "1": "positive"}
WANTED = "the folder aclImdb, its archive, or a table with the columns review,sentiment or text,label"
SYNTHETIC_VERSION = 1  # of the generator; a new one gets a new folder in the cache

BLOCK = 500  # files that a thread reads at a time; a task per file costs more than the reading
BREAKS = re.compile(r"(?:\s*<br\s*/?>)+\s*", re.IGNORECASE)
NUMBER = re.compile(r"(\d+)_\d+\.txt")  # 17_8.txt: review 17, 8 stars
FILM = re.compile(r"tt\d+")
PUBLISHED = re.compile(r"(.*/)?(README|imdb(Er\.txt|\.vocab)|urls_\w+\.txt|\w+Bow\.feat)")  # lists of the published set


SOURCES = {
    "stanford": Source(
        base="https://ai.stanford.edu/~amaas/data/sentiment",
        files={"": "aclImdb_v1.tar.gz"},
        md5={"": "7c2ac02c03563afcf9b574c7e56c153a"},
        holds={"": 50_000},
        by_hand="open https://ai.stanford.edu/~amaas/data/sentiment/, save 'Large Movie Review Dataset v1.0' as "
        "{target}.tar.gz, then type: keras-dl train imdb-bilstm --data {target}.tar.gz",
    ),
    "kaggle": Source(
        base="https://www.kaggle.com/api/v1/datasets/download",
        files={"": "lakshmi25npathi/imdb-dataset-of-50k-movie-reviews"},
        account=kaggle.account,
        holds={"": 50_000},
        by_hand="open https://www.kaggle.com/datasets/lakshmi25npathi/imdb-dataset-of-50k-movie-reviews, sign in, "
        "press Download and save archive.zip as {target}.zip, then type: "
        "keras-dl train imdb-bilstm --data {target}.zip",
    ),
}


def read(source: Path, *, bad_share: float = 0.05) -> Texts:
    """Read the set from a folder, an archive, or a CSV file such as Kaggle's `IMDB Dataset.csv`.

    A folder holds {train,test}/{neg,pos}/*.txt or {neg,pos}/*.txt, or else one table, or one for each part. A table has
    a column of texts and one of labels, called as `tables.NAMES` has them; a label is negative, neg or 0, or positive,
    pos or 1, in any case. `<br />` becomes a blank. Ids are "train/pos/0_9.txt" or "IMDB Dataset.csv:LINE". `parts` is
    "test" for the test folder or table, "train" or "validation" for others beside one, "" else.

    Copies share a group, and so do the reviews of one film where urls_pos.txt and urls_neg.txt tell it
    (`notes["films"]` counts these). What has a copy or its film in the test part is left out of the others.
    `notes["unlabelled"]` counts the files of unsup, which are not read.

    Raises KerasDLError for what is missing or of another form, and as `texts.collect` and `archive.unpacked` do.
    """
    source = Path(source)
    if source.is_file() and not source.name.lower().endswith(SUFFIXES):
        return _read_tables([(source, "")], source, bad_share)
    folder = unpacked(source, cache_folder() / "unpacked")
    try:
        found = layout.find(folder, FOLDERS)
    except KerasDLError as error:
        if "no folder" not in str(error):
            raise
        return _read_tables(tables_in(folder, source, WANTED, "it has no folders pos and neg, and "), source, bad_share)
    return _read_folders(found, bad_share)


def plain(text: str) -> str:
    """Return a review with a blank where HTML breaks a line."""
    return BREAKS.sub(" ", text).strip()


def synthesize(folder: Path | None = None, *, tiny: bool = False, seed: int = 0) -> Path:
    """Return the folder of the embedded set, or write it (another seed, a tiny one) in `folder` or the cache."""
    embedded = samples.folder("imdb")
    if folder is None and not tiny and seed == 0:
        return embedded
    target = Path(folder or cache_folder()) / f"imdb-synthetic-{SYNTHETIC_VERSION}-{seed}{'-tiny' if tiny else ''}"
    words = reviews_synthetic.read_ingredients(embedded)
    reviews = reviews_synthetic.TINY_REVIEWS if tiny else reviews_synthetic.REVIEWS

    def make(work: Path) -> None:
        reviews_synthetic.write(work, words, reviews=reviews, seed=seed)

    return made_once(target, make)


def download(folder: Path, source: str = "stanford", *, base: str | None = None) -> Path:
    """Download the set into `folder` (84 MB from Stanford, 27 MB from Kaggle) and return the folder to give to `read`.

    `source` is a name from SOURCES; Kaggle's file has no parts. Nothing is fetched that is there already. Stanford's
    archive is checked by its md5, and the number of reviews of both. Raises KerasDLError that says what to do by hand.
    """
    place = source_named(source, SOURCES)
    target = Path(folder).absolute() / f"imdb-{source}"
    archive = target.with_name(f"{target.name}{'.tar.gz' if source == 'stanford' else '.zip'}")
    if not target.exists():
        fetch_files(place, {"": archive}, target, base=base)
    made_once(target, lambda work: unpack(archive, work))
    found = read(target).notes["rows"]
    if found != place.holds[""]:
        raise KerasDLError(
            f"{target}: {found:,} reviews instead of {place.holds['']:,}; "
            f"delete {target} and {archive.name}* next to it, then download again"
        )
    return target


def _read_folders(found: layout.Layout, bad_share: float) -> Texts:
    """Read one review per file, on several threads, and put the reviews of a film into one group."""
    has_test = any(place.part == "test" for place in found.places)
    files = [
        (place.path, place.name, place.label, place.part if has_test else "")
        for place in found.places
        if place.name.lower().endswith(".txt")
    ]
    blocks = [files[at : at + BLOCK] for at in range(0, len(files), BLOCK)]
    results: list[Row | Skipped] = []
    with ThreadPoolExecutor(8) as pool, bar(total=len(files), desc="reading reviews", unit="") as shown:
        for block in pool.map(lambda files: [_review(*file) for file in files], blocks):
            results += block
            shown.update(len(block))
    rows = [one for one in results if isinstance(one, Row)]
    broken = [one for one in results if isinstance(one, Skipped)]
    texts = collect(rows, {name: name for name in CLASSES}, found.home, bad_share=bad_share, broken=broken)
    texts = _by_film(texts, found.home)
    unlabelled = [name for name in found.others if "unsup" in name.split("/")[:-1]]
    others = [name for name in found.others if name not in set(unlabelled) and not PUBLISHED.fullmatch(name)]
    others += [place.name for place in found.places if not place.name.lower().endswith(".txt")]
    skipped = tuple(Skipped(name, found.others.get(name, "no .txt file")) for name in sorted(others))
    notes = {**texts.notes, "rows": texts.notes["rows"] + len(skipped), "unlabelled": len(unlabelled)}
    sites = layout.sites([place.site for place in found.places], [place.label for place in found.places])
    notes |= {"sites": sites} if sites else {}
    return replace(texts, skipped=texts.skipped + skipped, notes=notes)


def _review(path: Path, name: str, label: str, part: str) -> Row | Skipped:
    try:
        raw = path.read_bytes()
        check(raw)
    except OSError as error:
        return Skipped(name, f"cannot be read: {error.strerror}")
    except BadInput as error:
        return Skipped(name, str(error))
    if b"\0" in raw:
        return Skipped(name, "zero bytes: not a text file")
    return Row(name, plain(raw.decode("utf-8-sig")), label, part)


def _by_film(texts: Texts, root: Path) -> Texts:
    """Put the reviews of a film into one group, and keep the films of the test part out of the others.

    Copies stay together too: films that share a review are one group, named by one of them.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    films = np.array(_films(root, texts.ids), dtype=str)
    if not any(films):
        return texts
    own = np.where(films == "", texts.groups, films)
    names, nodes = np.unique(np.concatenate([own, texts.groups]), return_inverse=True)
    links = (np.ones(len(texts)), (nodes[: len(texts)], nodes[len(texts) :]))  # of each review: its film, its text
    count, component = connected_components(coo_matrix(links, shape=(len(names), len(names))), directed=False)
    last = np.empty(count, dtype=np.int64)
    last[component] = np.arange(len(names))  # the last write stays: a film's "tt..." sorts after the sum of a text
    groups = names[last][component[nodes[: len(texts)]]]

    test = texts.parts == "test"
    leaks = ~test & np.isin(groups, groups[test])
    gone = tuple(Skipped(name, "its film is in the test part") for name in texts.take(leaks).ids)
    notes = {**texts.notes, "films": len(set(films[~leaks]) - {""})}
    return replace(texts, groups=groups, skipped=texts.skipped + gone, notes=notes).take(~leaks)


def _films(root: Path, names: tuple[str, ...]) -> list[str]:
    """Return the film of each review, "tt0064354" say, or "" where no list tells it.

    Beside the folder `pos` lies urls_pos.txt; the film of review N is on its line N, counted from 0.
    """
    lists: dict[Path, list[str]] = {}
    films = []
    for name in names:
        place = (root / name).parent
        if place not in lists:
            file = place.with_name(f"urls_{place.name}.txt")
            lists[place] = file.read_text("utf-8", "replace").splitlines() if file.is_file() else []
        number = NUMBER.fullmatch((root / name).name)
        line = lists[place][int(number[1])] if number and int(number[1]) < len(lists[place]) else ""
        film = FILM.search(line)
        films.append(film[0] if film else "")
    return films


def _read_tables(files: Sequence[tuple[Path, str]], source: Path, bad_share: float) -> Texts:
    found = [one for path, part in files for one in labelled(path, tuple(LABELS), part)]
    rows = [replace(one, text=plain(one.text)) for one in found if isinstance(one, Row)]
    broken = [one for one in found if isinstance(one, Skipped)]
    return collect(rows, LABELS, source, bad_share=bad_share, broken=broken)
