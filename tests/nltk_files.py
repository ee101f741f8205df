"""Small files in the layout of NLTK's data, and the folder for them."""

import zipfile
from pathlib import Path

import nltk
import pytest
from nltk.corpus.reader import CorpusReader, WordNetCorpusReader
from nltk.corpus.util import LazyCorpusLoader

NOUNS = ("dog", "foot", "u", "us", "prize")
WORDNET = {
    **{f"index.{part}": "  a made-up WordNet\n" for part in ("adj", "adv", "verb")},
    **{f"data.{part}": "  WordNet 3.0 Copyright 2000 by nobody\n" for part in ("adj", "adv", "noun", "verb")},
    **{f"{part}.exc": "" for part in ("adj", "adv", "verb")},
    "index.noun": "".join(f"{noun} n 1 0 1 0 0000000{at}\n" for at, noun in enumerate(NOUNS)),
    "noun.exc": "feet foot\n",
    "lexnames": "00\tadj.all\t3\n",
    "cntlist.rev": "",
    "index.sense": "",
}


def put(place: Path, name: str, files: dict[str, str], *, zipped: bool) -> None:
    """Write files as NLTK's downloader leaves them."""
    if zipped:
        with zipfile.ZipFile(place / f"{name}.zip", "w") as archive:
            for file, text in files.items():
                archive.writestr(f"{name}/{file}", text)
        (place / f"{name}.zip").chmod(0o644)
        return
    (place / name).mkdir(mode=0o755)
    for file, text in files.items():
        (place / name / file).write_text(text)
        (place / name / file).chmod(0o644)


@pytest.fixture(autouse=True, name="corpora")
def only_place(tmp_path, monkeypatch):
    """The only folder where NLTK looks, still empty, and its WordNet not yet looked for."""
    omw = LazyCorpusLoader("omw-2.0", CorpusReader, r".*\.tab")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    monkeypatch.setattr(nltk.corpus, "wordnet", LazyCorpusLoader("wordnet", WordNetCorpusReader, omw))
    (tmp_path / "corpora").mkdir(mode=0o755)
    yield tmp_path / "corpora"
    for file in vars(nltk.corpus.wordnet).get("_data_file_map", {}).values():
        file.close()  # NLTK keeps them open
