"""What in a text speaks for an answer, word by word: by occlusion, by SHAP values, or by attention."""

from __future__ import annotations

import difflib
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import UsageError
from keras_dl.explaining.heatmap import linear_head
from keras_dl.layers.nested import layers_inside
from keras_dl.task.blocks import Spans, Word
from keras_dl.task.kinds import Target

BATCH = 32  # texts per call of the model
SHOWN = 600  # characters of an excerpt, about
EVALUATIONS = 500  # of the model for the SHAP values of a short text; a long one takes more
CHUNK = re.compile(r"<[^<>\s][^<>]{0,200}>|[^\s<]+|<")  # a tag, or what stands between blanks
ALONE = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # scripts without blanks
FOLLOWING = "[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]"  # changes how an emoji looks
PART = re.compile(rf"[{ALONE}]|[\U0001f1e6-\U0001f1ff]{{2}}|[^\W{ALONE}]+|\S{FOLLOWING}*(?:\u200d\S{FOLLOWING}*)*")

Span = tuple[int, int]  # of characters of a text: first, and one after the last
Split = Callable[[str], list[bytes]]  # of a text: its tokens
Score = Callable[[Sequence[str], int], np.ndarray]  # of texts, for a class index: log-odds [count]


@dataclass(frozen=True)
class Reading:
    """The words of a text as typed that the model reads, and the tokens it makes of them."""

    text: str  # up to where the model reads
    spans: list[Span]
    tokens: list[list[bytes]]  # of each span


def spans(run: Any, text: str, target: Target, *, method: str, meaning: str, brief: bool) -> Spans:
    """Measure what each word of a text says for the answer.

    "occlusion" leaves out one word after the other. "shap" estimates Shapley values (Lundberg, Lee 2017) with the
    package `shap`. "attention" shows what attention each word gets in a transformer. The class is the positive one of
    two, of several the answer; log-odds are calibrated as the run's probabilities are.

    Args:
        run: a complete run of a text task.
        text: usable, as the input's `check` has found.
        target: the class that is explained.
        method: "occlusion", "shap" or "attention".
        meaning: of a weight, with {of} in it.
        brief: of a long text only the part that says most.

    Raises:
        UsageError: if `shap` is not installed, or the model has no attention.
    """
    score, split = prepared(run)
    read = reading(run, text, split)
    if brief:
        weigh = partial(occlusion, score, read.text, of=target.index)
        return excerpt(text, read, target, weigh, meaning.format(of=target.of))
    if method == "attention":
        weights = attention(run, read)
    else:
        measure = {"occlusion": occlusion, "shap": shap_values}[method]
        weights = measure(score, read.text, read.spans, target.index)
    words = [
        Word(start, end, round(float(weight), 5)) for (start, end), weight in zip(read.spans, weights, strict=True)
    ]
    return Spans(text, words, len(read.text), target.of, meaning.format(of=target.of), signed=method != "attention")


def excerpt(text: str, read: Reading, target: Target, weigh: Callable[[list[Span]], np.ndarray], meaning: str) -> Spans:
    """Return the part of a text that says most, with its words; "…" stands for what is before and after it."""
    places = strongest_part(read.spans, weigh)
    start, end = (places[0][0], places[-1][1]) if places else (0, len(text))
    before = "… " if text[:start].strip() else ""
    after = " …" if text[end:].strip() else ""
    shift = len(before) - start
    words = [
        Word(first + shift, last + shift, float(weight))
        for (first, last), weight in zip(places, weigh(places), strict=True)
    ]
    shown = f"{before}{text[start:end]}{after}"
    return Spans(shown, words, len(shown), target.of, meaning, numbers=False)


def strongest_part(places: list[Span], weigh: Callable[[list[Span]], np.ndarray]) -> list[Span]:
    """Return the spans of the part, of about SHOWN characters, that makes the largest difference as a whole."""
    parts: list[list[Span]] = [[]]
    for span in places:
        if parts[-1] and span[1] - parts[-1][0][0] > SHOWN:
            parts.append([])
        parts[-1].append(span)
    if len(parts) == 1:
        return parts[0]
    return parts[int(np.abs(weigh([(part[0][0], part[-1][1]) for part in parts])).argmax())]


def prepared(run: Any) -> tuple[Score, Split]:
    """Return `log_odds` and `tokenizer` of a run; tracing their graphs takes a while, so they are kept with it."""
    if "prepared_words" not in vars(run):
        run.prepared_words = log_odds(run), tokenizer(run)
    return run.prepared_words


def has_attention(run: Any) -> bool:
    """Whether the model has a layer of attention, by its file: cheaper than to load it."""
    try:
        with zipfile.ZipFile(run.path / "model.keras") as file:
            return b'"MultiHeadAttention"' in file.read("config.json")
    except (OSError, KeyError, zipfile.BadZipFile):
        return False  # whoever loads the model is told what is wrong with it


def reading(run: Any, text: str, split: Split) -> Reading:
    """Divide a text into the words that the model reads: as typed, so that every token belongs to one."""
    length = run.config.length
    spans: list[Span] = []
    tokens: list[list[bytes]] = []
    left = length
    for chunk in CHUNK.finditer(text):
        for span, found in parts(chunk[0], split, left):
            spans.append((chunk.start() + span[0], chunk.start() + span[1]))
            tokens.append(found[:left])
            left -= len(found)
        if left <= 0 or len(spans) >= 4 * length:  # the second: of a text that is all stop words
            break
    rest = text[spans[-1][1] :] if spans else ""
    return Reading(text[: len(text) - len(rest)] if rest.strip() else text, spans, tokens)


def tokenizer(run: Any) -> Split:
    """Return the function from a text to the tokens that the run's model reads of it."""
    graph = tf.function(run.task.input.tokens(run.config, run.assets), input_signature=[tf.TensorSpec([], tf.string)])
    return lambda text: graph(tf.constant(text)).numpy().tolist()


def parts(chunk: str, split: Split, most: int) -> Iterator[tuple[Span, list[bytes]]]:
    """Give the spans of what stands between two blanks, each with its tokens: parts where these have the same tokens.

    Punctuation without a token belongs to the part before it, at the beginning to the one after it. After `most`
    tokens the rest is left.
    """
    whole = split(chunk)
    if len(whole) <= 1:
        yield (0, len(chunk)), whole
        return
    spans: list[Span] = []
    tokens: list[list[bytes]] = []
    count = 0
    for part in PART.finditer(chunk):
        found = split(part[0])
        if found:
            spans.append((part.start() if spans else 0, part.end()))
            tokens.append(found)
        elif spans:
            spans[-1] = (spans[-1][0], part.end())
        count += len(found)
        if count >= most:
            break
    if [token for one in tokens for token in one] == whole[:count]:
        yield from zip(spans, tokens, strict=True)
    else:
        yield (0, len(chunk)), whole


def log_odds(run: Any) -> Score:
    """Return the function from texts to the calibrated log-odds of a class, taken before the last activation.

    Behind a sigmoid or softmax that is sure, in float32, no word would make a difference.
    """
    decode, spec = run.task.input.decode(run.config, run.assets), run.model.inputs[0]
    head = getattr(run.model.layers[-1], "activation", None)
    plain = head in (keras.activations.sigmoid, keras.activations.softmax)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def outputs(texts: tf.Tensor) -> tf.Tensor:
        decoded = tf.map_fn(decode, texts, fn_output_signature=tf.TensorSpec(spec.shape[1:], spec.dtype))
        return run.model(decoded, training=False)

    with linear_head(run.model) if plain else ExitStack():
        ask = outputs.get_concrete_function()  # keeps what the model is now

    def score(texts: Sequence[str], of: int) -> np.ndarray:
        batches = [tf.constant(list(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]
        found = np.concatenate([ask(batch).numpy() for batch in batches]).astype("float64")
        return run.task.output.log_odds(found, run.assets, of, plain=plain)

    return score


def occlusion(score: Score, text: str, spans: Sequence[Span], of: int) -> np.ndarray:
    """Return for each span by how much the log-odds of a class fall when it is left out: `[spans]`."""
    found = score([text, *(f"{text[:start]} {text[end:]}" for start, end in spans)], of)
    return found[0] - found[1:]


def shap_values(score: Score, text: str, spans: Sequence[Span], of: int) -> np.ndarray:
    """Return the SHAP value of each span, `[spans]`: they add up to what the text says more than an empty one.

    Raises:
        UsageError: if `shap` is not installed.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # of what it imports
            import shap
    except ImportError:
        raise UsageError("method=shap needs the package shap; install it: pip install shap") from None
    if len(spans) < 2:  # nothing to divide
        return occlusion(score, text, spans, of)
    blank = " "

    def tokenized(part: str, **options: Any) -> dict[str, list[Any]]:
        places = {text: list(spans), blank: [(0, 1)]}.get(part, [])
        return {"input_ids": [part[start:end] for start, end in places], "offset_mapping": places}

    masker = shap.maskers.Text(tokenized, mask_token=blank, collapse_mask_token=True)
    explainer = shap.explainers.Partition(lambda texts: score([str(one) for one in texts], of), masker)
    with warnings.catch_warnings(action="ignore"):
        found = explainer([text], max_evals=max(EVALUATIONS, 2 * len(spans)), batch_size=BATCH, silent=True)
    return np.asarray(found.values[0])


def attention(run: Any, read: Reading) -> np.ndarray:
    """Return the share of attention of each span, `[spans]`: mean over heads and over the words that attend.

    Raises:
        UsageError: if the model has no attention.
    """
    layers = [one for one in layers_inside(run.model) if isinstance(one, keras.layers.MultiHeadAttention)]
    if not layers:
        raise UsageError(f"the model {run.model.name} has no attention layer; method=occlusion explains any model")
    decoded = run.task.input.decode(run.config, run.assets)(tf.constant(read.text))
    seen: list[tf.Tensor] = []
    with ExitStack() as stack:
        for layer in layers:
            stack.enter_context(scores_kept(layer, seen))
        run.model(decoded[None], training=False)
    count = int(np.count_nonzero(decoded[: run.config.length]))
    count = min(count, seen[-1].shape[-1])  # other layers may read further
    received = seen[-1].numpy()[0, :, :count, :count].mean(axis=(0, 1))
    inside = [token for one in read.tokens for token in one]
    owner = np.repeat(np.arange(len(read.spans)), [len(one) for one in read.tokens])
    actual = run.task.input.tokens(run.config, run.assets)(tf.constant(read.text)).numpy().tolist()[:count]
    weights = np.zeros(len(read.spans))
    for mine, place, size in difflib.SequenceMatcher(None, inside, actual, autojunk=False).get_matching_blocks():
        np.add.at(weights, owner[mine : mine + size], received[place : place + size])
    return weights


@contextmanager
def scores_kept(layer: keras.layers.MultiHeadAttention, seen: list[tf.Tensor]) -> Iterator[None]:
    """Collect the attention scores `[batch, heads, queries, keys]` that a layer makes while the model runs."""
    call = layer.call

    def listening(*arguments: Any, **options: Any) -> tf.Tensor:
        result, scores = call(*arguments, **{**options, "return_attention_scores": True})
        seen.append(scores)
        return result

    layer.call = listening
    try:
        yield
    finally:
        layer.call = call
