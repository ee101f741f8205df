"""Made-up text messages, ham and spam: sentences with slots, filled and then written as people write on phones."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from keras_dl.data import samples

ROWS = 1800  # of the embedded set
SPAM_SHARE = 0.134  # of the real set: 747 of 5,572
COPY_SHARE = 0.05  # of the rows of each class; the real set has 7 %
SPILL_SHARE = 0.02  # of messages with a comma: their rest stands in the next column, as in Kaggle's file

# What messages are about, by weight. Some ham has the words of spam and some spam reads like ham, on purpose: words
# alone must not decide.
HAM = {"plans": 20, "chat": 24, "errand": 18, "love": 8, "news": 8, "ham_words": 14, "ham_notice": 8}
SPAM = {
    **{"spam_prize": 22, "spam_loan": 14, "spam_content": 14, "spam_dating": 12, "spam_phish": 13, "spam_job": 7},
    **{"spam_hard": 18, "spam_chat": 5},
}
SLOT = re.compile(r"\{([^{}]*)\}")

# Numbers that nobody has: Ofcom keeps these ranges for drama. Short codes that begin with 0 do not exist.
NUMBERS: Mapping[str, Callable[[random.Random], str]] = {
    "mobile": lambda dice: f"07700{dice.choice(['', ' '])}900{dice.randrange(1000):03d}",
    "landline": lambda dice: f"01632{dice.choice(['', ' '])}960{dice.randrange(1000):03d}",
    "premium": lambda dice: f"0909{dice.choice(['', ' '])}8790{dice.randrange(1000):03d}",
    "freephone": lambda dice: f"08081{dice.choice(['', ' '])}570{dice.randrange(1000):03d}",
    "short": lambda dice: f"0{dice.randrange(10000):04d}",
    "reference": lambda dice: "".join(dice.choices("ABCDEFGHKLMNPRSTUVW", k=2)) + str(dice.randrange(100, 10000)),
    "letters": lambda dice: "".join(dice.choices("abcdefghkmnprstuvwxyz", k=4)),
    "digit": lambda dice: str(dice.randint(2, 9)),
    "number": lambda dice: dice.choice([str(dice.randint(10, 400)), "&lt;#&gt;"]),
    "age": lambda dice: str(dice.randint(21, 45)),
    "time": lambda dice: f"{dice.randint(1, 12)}{dice.choice([':00', ':15', ':30', '', 'pm', '.45'])}",
    "percent": lambda dice: f"{dice.choice([10, 15, 20, 25, 50])}%",
    "small": lambda dice: _money(dice, dice.choice(["5", "10", "12.50", "20", "1.99", "2.45", "35", "&lt;#&gt;"])),
    "rent": lambda dice: _money(dice, str(dice.randrange(80, 700, 5))),
    "cash": lambda dice: _money(dice, dice.choice(["100", "250", "500", "750", "1000", "1,500", "2000", "5000"])),
    "loan_amount": lambda dice: _money(dice, str(dice.randrange(200, 5000, 50))),
    "pence": lambda dice: dice.choice(["10p", "25p", "50p", "75p", "150p", "£1.50", "£3"]),
}


def write(folder: Path, *, rows: int = ROWS, seed: int = 0) -> Path:
    """Write `rows` messages as `folder`/spam.csv, in the format of Kaggle's file; the same seed writes the same bytes.

    Columns v1 (ham, spam), v2 (text) and three without a name, latin-1. 13.4 % are spam, one row in twenty is a copy.
    """
    dice = random.Random(seed)
    path = Path(folder) / "spam.csv"
    with path.open("w", encoding="latin-1", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["v1", "v2", "", "", ""])
        for label, text in messages(rows, dice):
            pieces = _spilled(text, dice)
            table.writerow([label, *pieces, *[""] * (4 - len(pieces))])
    return path


def messages(rows: int, dice: random.Random) -> list[tuple[str, str]]:
    """Make `rows` pairs of "ham" or "spam" and a message, in random order."""
    spam = round(rows * SPAM_SHARE)
    pairs = []
    for label, count, make in (("ham", rows - spam, _ham), ("spam", spam, _spam)):
        copies = round(count * COPY_SHARE)
        texts = [make(dice) for _ in range(count - copies)]
        pairs += [(label, text) for text in texts + dice.choices(texts, k=copies)]
    dice.shuffle(pairs)
    return pairs


def _ham(dice: random.Random) -> str:
    kind = _drawn(HAM, dice)
    if kind == "ham_notice":
        return _noisy(_filled(f"{{{kind}}}", dice), dice.choice([0.0, 0.0, 0.3]), dice)
    others = ["plans", "chat", "errand", "love", "news"]
    sentences = [kind, *dice.choices(others, k=dice.choice([0, 0, 0, 1, 1, 2]))]
    return _chatty(sentences, dice)


def _spam(dice: random.Random) -> str:
    kind = _drawn(SPAM, dice)
    if kind == "spam_chat" or (kind == "spam_hard" and dice.random() < 0.5):
        return _chatty([kind, *dice.choices(["spam_chat", "chat"], k=dice.choice([0, 0, 1]))], dice)
    small_print = dice.choice(["", "", " {terms}", " {stop}", " {terms} {stop}"])
    return _noisy(_filled(f"{{{kind}}}{small_print}", dice), dice.choice([0.0, 0.2, 0.4, 0.7]), dice, shout=0.12)


def _chatty(kinds: list[str], dice: random.Random) -> str:
    """Write one sentence of each kind, as among friends: perhaps with a greeting and a good-bye, hastily."""
    parts = [f"{{{kind}}}" for kind in kinds]
    if dice.random() < 0.4:
        parts[0] = "{hello}" + dice.choice([" ", ", ", "! ", ".. "]) + parts[0]
    if dice.random() < 0.35:
        parts.append("{bye}")
    text = _filled(parts[0], dice)
    for part in parts[1:]:
        text += ("" if text[-1] in "?!" else dice.choice([".", "...", ",", "!", ""])) + " " + _filled(part, dice)
    return _noisy(text, dice.choice([0.0, 0.3, 0.6, 1.0]), dice, shout=0.03)


def _drawn(weights: Mapping[str, int], dice: random.Random) -> str:
    return dice.choices(list(weights), weights=list(weights.values()))[0]


def _filled(text: str, dice: random.Random) -> str:
    """Fill the slots, innermost first: {name of an ingredient}, {name of a number} or {this|that}."""
    while slot := SLOT.search(text):
        name = slot[1]
        if "|" in name:
            filling = dice.choice(name.split("|"))
        elif name in NUMBERS:
            filling = NUMBERS[name](dice)
        else:
            filling = dice.choice(_ingredients()[name])
        text = text[: slot.start()] + filling + text[slot.end() :]
    return " ".join(text.split())


def _noisy(text: str, haste: float, dice: random.Random, shout: float = 0.0) -> str:
    """Write a text as someone in haste (0 to 1) does: short forms, slips, missing blanks, odd case, emoticons."""
    words = [_hasty(word, haste, dice) for word in text.split(" ")]
    text = " ".join(words)
    if dice.random() < 0.3 * haste:
        text = re.sub(r"([.,?!]) (?=[a-z])", r"\1", text, count=1)
    if dice.random() < 0.25 * haste:
        text += " " + dice.choice(_ingredients()["emoticon"])
    case = dice.random()
    if case < shout:
        return text.upper().replace("&AMP;", "&amp;").replace("&LT;#&GT;", "&lt;#&gt;")
    if case < shout + 0.3 * haste:
        return text.lower()
    return text[0].upper() + text[1:] if case < 0.8 else text


def _hasty(word: str, haste: float, dice: random.Random) -> str:
    core = word.strip(".,?!:").lower()
    if not core.isalpha():
        return word  # numbers, links and signs stay right
    if core in _ingredients()["short_forms"] and dice.random() < 0.5 * haste:
        return word.lower().replace(core, dice.choice(_ingredients()["short_forms"][core]))
    if len(core) > 3 and dice.random() < 0.06 * haste:
        at = dice.randrange(1, len(core) - 1)
        slip = dice.choice(["", word[at] * 2, word[at + 1] + word[at]])  # lost, doubled, swapped
        return word[:at] + slip + word[at + (2 if len(slip) == 2 and slip[0] != slip[1] else 1) :]
    return word


def _spilled(text: str, dice: random.Random) -> list[str]:
    """Return the cells of a text: one, or rarely two as a broken export leaves them."""
    return text.split(",", 1) if "," in text and dice.random() < SPILL_SHARE else [text]


def _money(dice: random.Random, amount: str) -> str:
    return dice.choice([f"£{amount}", f"{amount} pounds", f"£{amount}", f"GBP{amount}", f"{amount}quid"])


@cache
def _ingredients() -> dict[str, Any]:
    return json.loads((samples.folder("spam") / "ingredients.json").read_text(encoding="utf-8"))
