"""What the recipes for texts share: settings, reading, splits, vocabulary, baselines, the record."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from keras_dl.data import splits, texts
from keras_dl.data.texts import Texts
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.inputs import tokenization
from keras_dl.inputs.text import TextInput
from keras_dl.outputs.binary import Binary
from keras_dl.recipes import fitting, reading
from keras_dl.task import Assets, Config, Data, Output, Phase, Ranges, Split

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from sklearn.base import BaseEstimator

INPUT = TextInput()
HEADS = 4  # of the transformer in `models.texts.wide_and_deep_text`, which imports Keras
EITHER = Binary(threshold=0.5, both=True)  # of two classes the likelier; neither is the positive one


@dataclass(frozen=True)
class TextConfig(Config):
    """The settings of every recipe for texts."""

    length: int = 200  # words to read from the beginning of a text
    vocabulary: int = 10_000  # number of words to know: the most frequent in the training part
    least: int = 1  # how often a word must occur in the training part to be known
    style: Literal["words", "signs", "letters"] = "words"  # what a word is; signs: punctuation too; letters: no digits
    dropout: float = 0.5  # share of values dropped before the last layer
    balance: Literal["classes", "none"] = "none"  # "classes": each class is drawn equally often
    bucket: bool = True  # put texts of similar length into a batch; faster where padding is skipped

    RANGES: ClassVar[Ranges] = {
        **Config.RANGES,
        "length": (1, 100_000),
        "vocabulary": (1, 10_000_000),
        "least": (1, 1000),
        "dropout": (0.0, 0.9),
    }


def load(
    config: TextConfig,
    source: Path,
    *,
    dataset: str,
    fit: Callable[[Any, Sequence[str]], Assets] | None = None,
    test_rows: Callable[[Any, Texts], np.ndarray | None] | None = None,
    resample: Callable[[Any], Any] | None = None,
    more: Callable[[Any], Texts | None] | None = None,
) -> Data:
    """Read a set of texts, split it by group (copies, films) and learn the vocabulary from the training part.

    Args:
        config: of the run.
        source: folder, archive or file.
        dataset: a module of `keras_dl.data.sets.texts`.
        fit: (config, training texts) -> assets; `fitted` where there is none.
        test_rows: (config, texts) -> boolean mask of the test part, or None to leave it as it is.
        resample: config -> `Data.resample`.
        more: config -> texts of the same classes to train on besides, or None.
    """
    found = reader(dataset).read(source, bad_share=config.bad_share)
    test = test_rows(config, found) if test_rows else None
    found = found if test is None else texts.with_test_part(found, test)
    rows = splits.by_group(found.groups, found.labels, seed=config.seed, parts=found.parts, classes=found.classes)
    parts = {name: found.take(rows[name]) for name in splits.NAMES}
    if more and (added := more(config)):
        parts["train"] = texts.joined(parts["train"], added, found)
    learned = (fit or fitted)(config, parts["train"].texts)
    assets = {"classes": list(found.classes), **learned}
    function = INPUT.decode(config, assets)
    return Data(
        *[text_split(part, function) for part in parts.values()],
        assets=assets,
        balance=config.balance,
        bucket=config.bucket,
        resample=resample(config) if resample else None,
        notes=reading.notes(found),
    )


def read(config: TextConfig, assets: Assets, source: Path, *, dataset: str) -> Split:
    """Read a set as one test split: its test part, or all of it where it has no parts."""
    found = reader(dataset).read(source, bad_share=config.bad_share)
    return text_split(reading.test_part(found), INPUT.decode(config, assets))


def fitted(config: TextConfig, train: Sequence[str], **assets: Any) -> Assets:
    """Learn the vocabulary from the training texts; `assets` may hold stop words and lemmas."""
    split = INPUT.tokens(config, assets)
    known = tokenization.vocabulary(train, split, size=config.vocabulary, least=config.least)
    return {**assets, "vocabulary": known}


def text_split(found: Texts, function: Callable[[tf.Tensor], tf.Tensor]) -> Split:
    """Make a split of texts, decoded in parallel, labelled by class index as a float `[1]`."""
    import tensorflow as tf

    def example(raw: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return function(raw), tf.cast(label, tf.float32)[None]

    examples = tf.data.Dataset.from_tensor_slices((list(found.texts), found.labels))
    return Split(
        examples.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True),
        ids=found.ids,
        groups=found.groups.tolist(),
        truth=found.labels.tolist(),
        raw=lambda row: found.texts[row].encode(),
        strata=found.labels.tolist(),
        texts=found.texts,
    )


def reader(dataset: str) -> Any:
    """Import the module of a data set."""
    return importlib.import_module(f"keras_dl.data.sets.texts.{dataset}")


def wide_and_deep_phases(config: Any, data: Data) -> Sequence[Phase]:
    """Train the parts of `models.texts.wide_and_deep_text` apart, each to its own best epoch.

    One part alone, or another network, is trained as it is.
    """
    wide_and_deep = config.network == "wide_and_deep"
    bags = [Phase("count", 1, compiling(config), fit=count_ngrams)] if wide_and_deep and config.ngrams else []
    if not bags or config.reader == "none":
        return [*bags, Phase("train", config.epochs, compiling(config), [fitting.early_stopping])]
    from keras_dl.models.texts.wide_and_deep_text import part_of

    wide, deep = (partial(part_of, part=part) for part in ("wide", "deep"))
    rest = [fitting.early_stopping]
    return [
        *bags,
        Phase("wide", config.epochs, compiling(config, wide=True), rest, part=wide),
        Phase("deep", config.epochs, compiling(config), rest, part=deep),
    ]


def compiling(config: Any, output: Output = EITHER, *, wide: bool = False) -> Callable[[keras.Model], None]:
    """Return the function that compiles a model with Adam; the wide part has its own rate and loss."""

    def compile_model(model: keras.Model) -> None:
        import keras

        from keras_dl.layers.losses import squared_hinge

        options = {"loss": squared_hinge} if wide and config.wide_loss == "hinge" else {}
        rate = config.wide_rate if wide else config.learning_rate
        output.compile(model, keras.optimizers.Adam(rate), **options)

    return compile_model


def check_network(config: Any) -> None:
    """Raise UsageError for settings that `models.texts.wide_and_deep_text` cannot build."""
    if config.network != "wide_and_deep":
        return
    if not config.ngrams and config.reader == "none":
        raise UsageError("ngrams= and reader=none together leave no network; choose one of them")
    if config.reader == "transformer" and config.dimension % HEADS:
        raise UsageError(f"dimension={config.dimension} must be a multiple of {HEADS}, the heads of reader=transformer")


def count_ngrams(model: keras.Model, ids: np.ndarray, labels: np.ndarray) -> None:
    """Set the scales of every bag of n-grams in a model from the training part.

    Args:
        model: of `models.texts.wide_and_deep_text`.
        ids: `[count, length + characters]`.
        labels: `[count]`, 0 or 1.
    """
    import keras

    from keras_dl.layers.ngrams import NGramBag

    for layer in model.layers:
        if isinstance(layer, NGramBag):
            layer.fit(keras.Model(model.input, layer.input).predict(ids, batch_size=512, verbose=0), labels)


def tfidf(config: TextConfig, *, characters: bool) -> BaseEstimator:
    """Return the classical baseline for texts: TF-IDF of word (and character) n-grams and a linear SVM.

    It takes strings. The n-grams are hashed, so that no list of them has to be kept.

    Args:
        config: for the seed.
        characters: 2- to 5-grams of characters within words too; they help with short, misspelt texts.
    """
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    plain: dict[str, Any] = {"n_features": 2**20, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)[^\W_]+|[^\w\s]", **plain)
    bags = [make_pipeline(words, TfidfTransformer(sublinear_tf=True))]
    if characters:
        letters = HashingVectorizer(ngram_range=(2, 5), analyzer="char_wb", **plain)
        bags.append(make_pipeline(letters, TfidfTransformer(sublinear_tf=True)))
    return make_pipeline(make_union(*bags), LinearSVC(C=1.0, random_state=config.seed))


def record(dataset: str, **changes: Any) -> dict[str, Any]:
    """Return what the Task of two classes of texts from this data set holds, with changes."""
    source = reader(dataset)
    binary = {
        "dataset": f"texts.{dataset}",
        "input": INPUT,
        "output": EITHER,
        "load": partial(load, dataset=dataset),
        "read": partial(read, dataset=dataset),
        "baseline": partial(tfidf, characters=False),
        "phases": wide_and_deep_phases,
        "words": {"example": "text", "group": "text", "baseline": "TF-IDF + SVM baseline"},
        "intended_use": source.INTENDED_USE,
        "limits": source.LIMITS,
    }
    return binary | changes


def smote(ids: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draw new messages of the smaller class until it is as large as the other: SMOTE (Chawla et al. 2002).

    A new one lies between a message and one of its 5 nearest, or of as many as there are.

    Args:
        ids: `[count, length]`, word ids, padded.
        labels: `[count]`, 0 or 1.

    Raises:
        KerasDLError: if a class has fewer than two messages.
    """
    from imblearn.over_sampling import SMOTE

    fewest = np.bincount(np.asarray(labels, dtype=int), minlength=2).min()
    if fewest < 2:
        raise KerasDLError(
            f"SMOTE needs at least 2 training messages of each class, but one has {fewest}; add messages, or train "
            "with --set resample=none"
        )
    return SMOTE(random_state=42, k_neighbors=min(5, fewest - 1)).fit_resample(ids, labels)
