"""Write short film reviews whose opinion is told by the order of the words as much as by the words.

A review is an opening, some plot, opinions on aspects (plot, acting, camera, music, ...), other films and a close.
Most of its opinions are the review's own and a few the other way round; the balance is the label. Three in four are
said straight ("the score is warm"), the others turned ("the score is warm, not dull", "never dull", "I feared it
would be dull; it is not"), where both sentiments use the same words in another order or with another negation. What
is said of other films does not count. So a bag of words is right about nine times in ten, and a reader could be right
always. All films and people are made up; the words are in data/samples/imdb/ingredients.json.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAME = "IMDB Dataset.csv"  # as on Kaggle
LABELS = ("negative", "positive")
REVIEWS, TINY_REVIEWS = 2400, 160
MARK = "<br /><br />"  # between paragraphs, as in the real set
WORDS = (30, 120)  # of a review, fewest and most

STRAIGHT, MINOR_STRAIGHT = 0.75, 0.6  # share of the opinions that are said without a turn
TURNED = 0.9  # of the others, those that can be told of either sentiment
MARGIN = 2  # opinions of the review's own sentiment have at least as many more
IRONY, BALANCE, PARAGRAPHS = 0.12, 0.35, 0.25  # share of the reviews with one
VERDICT, STRAIGHT_VERDICT = 0.75, 0.4  # share of the reviews with one; of the verdicts

Ingredients = Mapping[str, Any]


def write(folder: Path, ingredients: Ingredients, *, reviews: int = REVIEWS, seed: int = 0) -> Path:
    """Write `reviews` reviews, half of them positive, as Kaggle's file has them (UTF-8, columns review and sentiment).

    The same seed gives the same bytes on every Python.
    """
    path = Path(folder, NAME)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["review", "sentiment"])
        writer.writerows(generate(ingredients, reviews=reviews, seed=seed))
    return path


def read_ingredients(folder: Path) -> Ingredients:
    """Read the words that the reviews are made of from the folder of the embedded set."""
    return json.loads(Path(folder, "ingredients.json").read_text(encoding="utf-8"))


def generate(ingredients: Ingredients, *, reviews: int = REVIEWS, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Give (review, label) pairs, in each two of them one of each label in random order; no review comes twice."""
    pen = Pen(ingredients, random.Random(seed))
    seen: set[str] = set()
    label = 1
    for number in range(reviews):
        label = 1 - label if number % 2 else int(pen.chance(0.5))
        text = review(pen, LABELS[label] == "positive")
        while text in seen or not WORDS[0] <= len(text.replace(MARK, " ").split()) <= WORDS[1]:
            text = review(pen, LABELS[label] == "positive")
        seen.add(text)
        yield text, LABELS[label]


def review(pen: Pen, good: bool) -> str:
    """Write one review, of any length."""
    pen.begin()
    start = [pen.sentence("open")] if pen.chance(0.8) else []
    start += [pen.sentence("summary") for _ in range(pen.between(0, 2))]
    end = []
    if pen.chance(VERDICT):
        end.append(verdict(pen, good))
    if pen.chance(0.3) or not end:
        end.append(pen.sentence("close"))
    paragraphs = [pen.text(start), pen.text(body(pen, good)), pen.text(end)]
    mark = MARK if pen.chance(PARAGRAPHS) else " "
    return mark.join(paragraph for paragraph in paragraphs if paragraph)


def body(pen: Pen, good: bool) -> list[str]:
    """Give the opinions, more of them of the review's own sentiment than not, and what is no opinion on this film."""
    major = pen.between(2, 4)
    minor = pen.between(0, major - MARGIN)
    sentences = [opinion(pen, good, STRAIGHT) for _ in range(major)]
    sentences += [concession(pen, opinion(pen, not good, MINOR_STRAIGHT)) for _ in range(minor)]
    if pen.chance(BALANCE):
        sentences.append(balance(pen, good))
    if pen.chance(IRONY):
        sentences.append(pen.pick(pen.words["irony"][side(good)]))
    sentences += [pen.sentence("elsewhere") for _ in range(pen.between(0, 2))]
    return pen.shuffled(sentences)


def opinion(pen: Pen, good: bool, straight: float) -> str:
    """Say something of one aspect; `good` is what a reader understands, whatever the words."""
    if pen.chance(straight):
        return predicate(pen, good) if pen.chance(0.5) else pen.adjectival("plain", good)
    return pen.adjectival("turned" if pen.chance(TURNED) else side(good), good)


def predicate(pen: Pen, good: bool) -> str:
    """Say of an aspect what only this aspect can do."""
    aspect = pen.aspect()
    return f"{pen.pick(aspect['subjects'])} {pen.pick(aspect[side(good)])}."


def concession(pen: Pen, said: str) -> str:
    """Grant what was said, mostly; now and then it just stands there."""
    if said.endswith(".") and pen.chance(0.7):
        return pen.pick(pen.words["concession"]).format(p=said.removesuffix("."))
    return said


def balance(pen: Pen, good: bool) -> str:
    """Weigh two aspects in one sentence; the order tells which side is the heavier."""
    minor, major = predicate(pen, not good), predicate(pen, good)
    return pen.pick(pen.words["balance"]).format(p=minor.removesuffix("."), q=major.removesuffix("."))


def verdict(pen: Pen, good: bool) -> str:
    """Sum up."""
    if pen.chance(STRAIGHT_VERDICT):
        return pen.pick(pen.words["plain_verdict"][side(good)])
    kind = "turned" if pen.chance(0.5) else side(good)
    return pen.fill(pen.pick(pen.words["verdict"][kind]), good)


def side(good: bool) -> str:
    """Return the key of the words for this sentiment."""
    return "good" if good else "bad"


@dataclass
class Pen:
    """Chooses words, by one random generator, and remembers what a review has used."""

    words: Ingredients
    source: random.Random
    film: str = ""
    used: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Forget the last review and name the film of the next one."""
        self.used.clear()
        self.film = self.title()

    def draw(self) -> float:
        """Return a number in [0, 1). Of `random` only this is the same in every version of Python."""
        return self.source.random()

    def chance(self, share: float) -> bool:
        """Say yes in this share of cases."""
        return self.draw() < share

    def between(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return low + int(self.draw() * (high - low + 1))

    def pick(self, items: Sequence[str]) -> str:
        """Return an item that the review has not used, if there is one."""
        fresh = [item for item in items if item not in self.used] or list(items)
        item = fresh[self.between(0, len(fresh) - 1)]
        self.used.add(item)
        return item

    def shuffled(self, items: Sequence[str]) -> list[str]:
        """Return the items in random order."""
        return [item for _, item in sorted((self.draw(), item) for item in items)]

    def aspect(self) -> Mapping[str, list[str]]:
        """Return subjects and predicates of an aspect that the review has not spoken of, if there is one."""
        return self.words["aspects"][self.pick(list(self.words["aspects"]))]

    def title(self) -> str:
        """Make up a film."""
        parts = self.words["title"]
        form = parts["form"][self.between(0, len(parts["form"]) - 1)]
        return form.format(a=self.pick(parts["a"]), b=self.pick(parts["b"]), c=self.pick(parts["c"]))

    def adjectival(self, kind: str, good: bool) -> str:
        """Say of an aspect that it is (`good`) or is not something."""
        return self.fill(self.pick(self.words["opinion"][kind]), good)

    def sentence(self, kind: str) -> str:
        """Make a sentence that tells nothing of the film's worth; its adjectives are of either sentiment."""
        return self.fill(self.pick(self.words[kind]), self.chance(0.5))

    def fill(self, frame: str, good: bool) -> str:
        """Fill the slots of a sentence: w is what is meant, x its contrary, d what is said of other films."""
        with_, against = side(good), side(not good)
        adjectives, states = self.words["adjectives"], self.words["states"]
        values = {"film": self.film}
        for slot in re.findall(r"\{(\w+)\}", frame):
            match slot:
                case "s":
                    values[slot] = self.pick(self.aspect()["subjects"])
                case "w" | "w2" | "d" | "d2" | "d3":
                    values[slot] = self.pick(adjectives[with_])
                case "x":
                    values[slot] = self.pick(adjectives[against])
                case "sw":
                    values[slot] = self.pick(states[with_])
                case "sx":
                    values[slot] = self.pick(states[against])
                case "other":
                    values[slot] = self.title()
                case "film":
                    pass
                case _:
                    values[slot] = self.pick(self.words[slot.rstrip("2")])
        return frame.format(**values)

    def text(self, sentences: Sequence[str]) -> str:
        """Join sentences, each with a capital."""
        return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
