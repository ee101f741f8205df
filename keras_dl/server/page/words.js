// The words of a text, coloured by what they say for the answer: the twin of the page that `explain` writes.

import { decimal, make, plainName } from "./dom.js";

const PALE = 0.02; // of the strongest word: below, a word stays without colour
const STRONGEST = 6; // in the table of each side
const LONGEST = 60; // characters of a word in the tables
const READABLE = { tabindex: "0", role: "group", "aria-label": "The text" }; // a long one scrolls
const UNREAD = 5000; // characters shown of what the model does not read

/** Make the place of the coloured words below a choice: `element`, `show(explanation)`, `stale()` and `clear()`. */
export function wordsPlace(choice) {
  const content = make("div");
  const element = make("div", { class: "words", "data-place": "words", hidden: true }, choice, content);

  function clear() {
    element.hidden = true;
    content.replaceChildren();
  }

  function show(found) {
    const characters = Array.from(found.text); // code points, as the server counts
    const signed = found.method !== "attention";
    const of = plainName(found.prediction?.of ?? "the answer");
    const unread = found.read < characters.length;
    const beyond = unread ? " Grey: beyond what the model reads." : "";
    content.replaceChildren(
      make("h3", { text: signed ? `What speaks for ${of}` : "Where the attention goes" }),
      make("div", { ...READABLE, class: "text", dir: "auto" }, ...coloured(characters, found)),
      legend(signed, of),
      make("p", {
        class: "muted small",
        text: `Colour: ${found.meaning}; the strongest word has the full colour.${beyond}`,
      }),
      numbersOf(found.words, signed, of),
    );
    element.classList.remove("stale");
    element.hidden = false;
  }

  return { element, clear, show, stale: () => element.classList.add("stale") };
}

function coloured(characters, { words, read }) {
  const cut = (start, end) => characters.slice(start, end).join("");
  const peak = Math.max(0, ...words.map((word) => Math.abs(word.weight)));
  const pieces = [];
  let place = 0;
  for (const { start, end, weight } of words) {
    const share = peak ? Math.abs(weight) / peak : 0;
    pieces.push(cut(place, start));
    if (share >= PALE) {
      const side = weight > 0 ? "for" : "against";
      const mark = make("mark", { class: side, title: decimal(weight, 3, true), text: cut(start, end) });
      mark.style.setProperty("--w", share.toFixed(2));
      pieces.push(mark);
    } else pieces.push(cut(start, end));
    place = end;
  }
  pieces.push(cut(place, read));
  const rest = characters.slice(read, read + UNREAD).join("");
  const end = characters.length > read + UNREAD ? " …" : "";
  if (rest) pieces.push(make("span", { class: "unread", text: rest + end }));
  return pieces;
}

function legend(signed, of) {
  const ends = signed ? [`against ${of}`, `for ${of}`] : ["little attention", "much"];
  const colours = make("span", { class: signed ? "colours" : "colours half", "aria-hidden": "true" });
  return make("p", { class: "legend" }, make("span", { text: ends[0] }), colours, make("span", { text: ends[1] }));
}

function numbersOf(words, signed, of) {
  const side = (title, sign) => {
    const found = words.filter((word) => sign * word.weight > 0);
    found.sort((one, other) => Math.abs(other.weight) - Math.abs(one.weight));
    if (!found.length) return null;
    const rows = found.slice(0, STRONGEST).map((word) => {
      const letters = Array.from(word.text);
      const shown = letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : word.text;
      const weight = make("td", { text: decimal(word.weight, 3, signed) });
      return make("tr", {}, make("td", {}, make("bdi", { text: shown })), weight);
    });
    return make("table", {}, make("caption", { text: title }), make("tbody", {}, ...rows));
  };
  const tables = signed ? [side(`For ${of}`, 1), side(`Against ${of}`, -1)] : [side("Most attention", 1)];
  return make("details", {}, make("summary", { text: "The numbers" }), make("div", { class: "pair" }, ...tables));
}
