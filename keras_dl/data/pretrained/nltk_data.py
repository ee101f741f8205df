"""Stop words and lemmas of English from NLTK's data where it is installed; what is done without it is said."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable

OWN = """
a about after all also am an and any are as at be because been being but by can could did do does for from had has have
he her him his how i if in is it its just me my no not of on or our she so some than that the their them then there
these they this to up us was we were what when which who will with would you your
"""
OWN_STOP_WORDS = frozenset(OWN.split())  # so common that they tell nothing about a message

UNREADABLE = (LookupError, OSError, ValueError, zipfile.BadZipFile)  # what NLTK raises for absent and damaged data


def stop_words() -> tuple[frozenset[str], str]:
    """Return English stop words in lower case, and a sentence for the run's card that says whose they are.

    NLTK's list is taken from NLTK_DATA or another usual place, unpacked or in stopwords.zip; else the package's own
    short list. Nothing is downloaded.
    """
    import nltk.data

    try:
        with nltk.data.find("corpora/stopwords/english").open() as file:
            words = frozenset(file.read().decode("utf-8").split())
    except UNREADABLE:
        return OWN_STOP_WORDS, (
            f"stop words: the package's own {len(OWN_STOP_WORDS)}, because NLTK's list is missing or damaged "
            "(python -m nltk.downloader stopwords)"
        )
    return words, f"stop words: NLTK's English list of {len(words)}"


def lemmas(words: Iterable[str]) -> tuple[dict[str, str], str]:
    """Return word -> WordNet lemma, as of a noun, for the words it changes, and a sentence for the run's card.

    It is what NLTK's `WordNetLemmatizer().lemmatize(word)` gives: the shortest noun that WordNet knows, "feet" ->
    "foot". Without WordNet's data, in NLTK_DATA or another usual place, it is empty. Nothing is downloaded.
    """
    import nltk.corpus
    from nltk.stem import WordNetLemmatizer

    try:
        nltk.corpus.wordnet.ensure_loaded()
    except UNREADABLE:
        return {}, (
            "lemmas: none, words stay as they are, because WordNet is missing or damaged "
            "(python -m nltk.downloader wordnet)"
        )
    lemma = WordNetLemmatizer().lemmatize
    changed = {word: lemma(word) for word in dict.fromkeys(words) if word}
    changed = {word: short for word, short in changed.items() if short != word}
    return changed, f"lemmas: WordNet {nltk.corpus.wordnet.get_version()}, for nouns; {len(changed)} words change"
