"""Small files in the layout of NLTK's data."""

import zipfile
from pathlib import Path

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
