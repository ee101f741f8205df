// Blocks: how answers and explanations are shown, whatever the kind of model. The server says what to show as JSON;
// each block is rendered here and nowhere else.

import { decimal, make, newId, percent, plainName } from "./dom.js";

const OPACITY = 70; // percent, of a heatmap at first
const PALE = 0.02; // of the strongest word: below, a word stays without colour
const STRONGEST = 6; // words in the table of each side
const LONGEST = 60; // characters of a word in the tables
const UNREAD = 5000; // characters shown of what the model does not read
const READABLE = { tabindex: "0", role: "group", "aria-label": "The text" }; // a long one scrolls

const RENDERERS = { answer, bars, gauge, spans, picture, table, chart, prose };

/** Make the element of one block. */
export function render(block) {
  return made(block).element;
}

/**
 * Make a place for blocks one below the other: `element` and `show(blocks)`.
 *
 * A block is updated in place where one of its kind stood before, so that bars move instead of jumping.
 */
export function blocksPlace() {
  const element = make("div", { class: "blocks" });
  let places = [];

  function show(blocks) {
    const isDrawn = blocks.some(summary); // then the answer need not say in words how sure it is
    places = blocks.map((block, row) => {
      const shown = block.block === "answer" && isDrawn ? { ...block, certainty: "" } : block;
      const before = places[row];
      if (before?.kind === block.block && before.update?.(shown)) return before;
      return { kind: block.block, ...made(shown) };
    });
    const elements = places.map((place) => place.element);
    const isSame = (one, row) => one === element.children[row];
    if (elements.length !== element.children.length || !elements.every(isSame)) element.replaceChildren(...elements);
  }

  return { element, show };
}

/** Say what an answer is warned of, the answer, and how sure it is in one line, to be read out. */
export function inWords(blocks) {
  const answer = answerOf(blocks);
  const doubts = blocks.filter((block) => block.block === "prose" && block.warning).map((block) => block.title);
  const sure = blocks.map(summary).find(Boolean) || answer?.certainty;
  return [...doubts, plainName(answer?.text ?? ""), sure].filter(Boolean).join(", ");
}

/** Return the block that says the answer; what casts doubt on it may come before. */
export function answerOf(blocks) {
  return blocks.find((block) => block.block === "answer");
}

function made(block) {
  const renderer = Object.hasOwn(RENDERERS, block.block) ? RENDERERS[block.block] : unknown;
  return renderer(block);
}

/** Say in a few words how sure a drawing says that an answer is; nothing where it does not. */
function summary(block) {
  if (block.block === "gauge") return block.text;
  const chosen = block.block === "bars" && block.rows.find((row) => row.chosen);
  return chosen ? percent(chosen.share) : "";
}

function unknown() {
  return { element: make("p", { class: "muted", text: "This page is out of date. Reload it." }) };
}

// An answer

function answer(block) {
  const symbol = make("p", { class: "symbol", "aria-hidden": "true" });
  const text = make("span", { class: "answer", dir: "auto" });
  const certainty = make("span", { class: "certainty" });
  function update(other) {
    symbol.textContent = other.symbol ?? "";
    symbol.hidden = !other.symbol;
    text.textContent = plainName(other.text);
    certainty.textContent = other.certainty;
    certainty.hidden = !other.certainty;
    return true;
  }
  update(block);
  return { element: make("div", {}, symbol, make("p", { class: "headline" }, text, certainty)), update };
}

// How sure it is

function bars(block) {
  const rows = block.rows.map(({ name, symbol }) => {
    const fill = make("span", { class: "fill" });
    const number = make("span", { class: "number" });
    const title = make("span", { class: "class", dir: "auto", text: `${symbol ? `${symbol}\u00a0` : ""}${plainName(name)}` });
    const track = make("span", { class: "track", "aria-hidden": "true" }, fill);
    return { name, symbol, fill, number, element: make("li", {}, title, track, number) };
  });
  function update(other) {
    const isSame = (row, index) => row.name === rows[index].name && row.symbol === rows[index].symbol;
    if (other.title !== block.title || other.rows.length !== rows.length || !other.rows.every(isSame)) return false;
    other.rows.forEach(({ share, chosen }, index) => {
      const { fill, number, element } = rows[index];
      fill.style.width = `${(100 * within(share)).toFixed(2)}%`;
      number.textContent = percent(share);
      element.classList.toggle("chosen", Boolean(chosen));
    });
    return true;
  }
  update(block);
  const list = make("ul", { class: "bars", "aria-label": block.title || "Shares" }, ...rows.map((row) => row.element));
  return { element: list, update };
}

function gauge(block) {
  const value = make("p", { class: "value" });
  const ends = [make("span"), make("span")];
  const fill = make("span", { class: "fill" });
  const band = make("span", { class: "band" });
  const mark = make("span", { class: "mark" });
  const track = make("div", { class: "track" }, fill, band, mark);
  const caption = make("span", { class: "caption" });
  const above = make("p", { class: "ends" }, ...ends);
  const under = make("p", { class: "under" }, caption);
  const scale = make("div", { class: "scale", role: "img" }, above, track, under);
  const note = make("p", { class: "muted small" });
  function update(other) {
    const place = (number) => within((number - other.low) / (other.high - other.low));
    const css = (share) => `${(100 * share).toFixed(2)}%`;
    const hasThreshold = isNumber(other.threshold);
    value.textContent = other.text;
    ends.forEach((end, index) => (end.textContent = other.ends?.[index] ?? ""));
    above.hidden = !other.ends?.some(Boolean);
    fill.style.width = css(place(other.value));
    band.hidden = !other.interval;
    if (other.interval) {
      const [low, high] = other.interval.map(place);
      band.style.left = css(low);
      band.style.width = css(Math.max(0, high - low));
    }
    mark.hidden = !hasThreshold;
    under.hidden = !hasThreshold || !other.threshold_text;
    caption.textContent = other.threshold_text ?? "";
    if (hasThreshold) {
      const at = place(other.threshold);
      mark.style.left = css(at);
      caption.style.left = css(at);
      caption.style.transform = `translateX(-${css(at)})`; // stays inside at both ends
    }
    track.classList.toggle("above", hasThreshold && other.value >= other.threshold);
    const between = other.interval ? `interval ${other.interval.map(round).join(" to ")}` : "";
    scale.setAttribute("aria-label", [other.text, between, other.threshold_text].filter(Boolean).join(", "));
    note.replaceChildren(...markedUp(other.note));
    note.hidden = !other.note;
    return true;
  }
  update(block);
  return { element: make("div", { class: "gauge" }, value, scale, note), update };
}

function isNumber(value) {
  return typeof value === "number";
}

function within(share) {
  return Math.min(1, Math.max(0, share || 0)); // also for what is no number
}

function round(value) {
  return Number(value.toPrecision(4)).toLocaleString("en");
}

// Words

function spans(block) {
  const characters = Array.from(block.text); // code points, as the server counts
  const text = make("div", { ...READABLE, class: "text", dir: "auto" }, ...coloured(characters, block));
  if (!block.numbers) return { element: make("div", {}, text) };
  const of = plainName(block.of || "the answer");
  const beyond = block.read < characters.length ? " Grey: text that the model does not read." : "";
  const meaning = ["Colour: ", ...markedUp(block.meaning), `; the strongest word is in full colour.${beyond}`];
  return {
    element: make(
      "div",
      {},
      make("h3", { text: block.signed ? `Evidence for ${of}` : "Words with the most weight" }),
      text,
      legend(block.signed, of),
      make("p", { class: "muted small" }, ...meaning),
      numbersOf(block, of),
    ),
  };
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

function legend(isSigned, of) {
  const ends = isSigned ? [`against ${of}`, `for ${of}`] : ["little weight", "much"];
  const colours = make("span", { class: isSigned ? "colours" : "colours half", "aria-hidden": "true" });
  return make("p", { class: "legend" }, make("span", { text: ends[0] }), colours, make("span", { text: ends[1] }));
}

function numbersOf({ words, signed }, of) {
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
  const tables = signed ? [side(`For ${of}`, 1), side(`Against ${of}`, -1)] : [side("Most weight", 1)];
  if (!tables.some(Boolean)) return null;
  return make("details", {}, make("summary", { text: "The numbers" }), make("div", { class: "pair" }, ...tables));
}

// Pictures and figures

function picture(block) {
  const count = block.panels.length;
  const hasHeat = Boolean(block.heatmap) && count > 0;
  const images = block.panels.map(() => make("img", { class: "seen" }));
  const titles = block.panels.map(() => make("small"));
  const heat = hasHeat ? heatOver(images[0]) : null;
  const panels = images.map((image, row) => {
    const shown = row === 0 && heat ? heat.stack : image;
    return count > 1 ? make("div", { class: "panel-of-several" }, shown, titles[row]) : shown;
  });
  const caption = make("figcaption");
  function update(other) {
    if (other.panels.length !== count || (Boolean(other.heatmap) && count > 0) !== hasHeat) return false;
    other.panels.forEach(({ title, image }, row) => {
      const sharp = row === 0 && heat ? other.original : null;
      images[row].onerror = sharp ? () => (images[row].src = png(image)) : null; // of a kind that no browser shows
      images[row].src = sharp ?? png(image);
      images[row].alt = (row === 0 && other.alt) || title || "an image";
      titles[row].textContent = title;
    });
    if (heat) heat.over.src = png(other.heatmap);
    const colour = hasHeat && other.heat_title ? `Colour: ${other.heat_title}.` : "";
    const words = other.caption && other.caption !== other.heat_title ? markedUp(`${other.caption} `) : [];
    caption.replaceChildren(...words, colour);
    return true;
  }
  update(block);
  const shown = count > 1 ? [make("div", { class: "panels" }, ...panels)] : panels;
  return { element: make("figure", { class: "heat" }, ...shown, heat?.controls, caption), update };
}

/** Lay a heatmap over an image in the image's proportions, with a slider and a button that takes it away. */
function heatOver(image) {
  const fit = () => stack.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight);
  image.addEventListener("load", fit);
  const over = make("img", { class: "over", alt: "" });
  const id = newId("opacity");
  const opacity = () => (over.style.opacity = String(slider.value / 100));
  const slider = make("input", { type: "range", id, min: "0", max: "100", value: String(OPACITY), input: opacity });
  const toggle = make("button", {
    type: "button",
    text: "Image alone",
    "aria-pressed": "false",
    click: () => {
      over.hidden = !over.hidden;
      toggle.setAttribute("aria-pressed", String(over.hidden));
      slider.disabled = over.hidden;
    },
  });
  opacity();
  const stack = make("div", { class: "stack" }, image, over);
  const controls = make("p", { class: "row" }, make("label", { for: id, text: "Heatmap" }), slider, toggle);
  return { over, controls, stack };
}

function png(data) {
  return `data:image/png;base64,${data}`;
}

function chart(block) {
  const src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(block.svg)}`; // as an image it runs nothing
  const title = block.title ? make("h3", { text: block.title }) : null;
  const image = make("img", { class: "chart", src, alt: block.title || block.caption || "a figure" });
  return { element: make("figure", {}, title, image, make("figcaption", {}, ...markedUp(block.caption))) };
}

// Tables and paragraphs

function table(block) {
  const side = (column) => ((block.numeric ?? []).includes(column) ? "right" : null);
  const heads = block.columns.map((text, column) => make("th", { scope: "col", text, class: side(column) }));
  const rows = block.rows.map((row) => {
    const cells = row.map((text, column) =>
      make(column ? "td" : "th", { text, scope: column ? null : "row", class: side(column) }),
    );
    return make("tr", {}, ...cells);
  });
  const caption = block.caption ? make("caption", {}, ...markedUp(block.caption)) : null;
  const body = make("table", {}, caption, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const title = block.title ? make("h3", { text: block.title }) : null;
  return { element: make("div", {}, title, scrolling(block.title || block.caption || "Table", body)) };
}

/** Put a table where it scrolls sideways if it is too wide, also from the keyboard. */
export function scrolling(label, body, more = "") {
  return make("div", { class: `scroll ${more}`.trim(), tabindex: "0", role: "region", "aria-label": label }, body);
}

function prose(block) {
  if (block.warning) {
    const title = block.title ? make("strong", { text: block.title }) : null;
    return { element: make("div", { class: "banner", role: "note" }, title, make("span", {}, ...markedUp(block.text))) };
  }
  const title = block.title ? make("h3", { text: block.title }) : null;
  return { element: make("div", {}, title, make("p", { class: "prose", dir: "auto" }, ...markedUp(block.text))) };
}

/** Return a text as pieces: `**strong**` and `` `code` `` are elements, all else is text. */
function markedUp(text) {
  const pieces = (text ?? "").split(/(`[^`\n]+`|\*\*[^]+?\*\*)/);
  return pieces.map((piece, row) => {
    if (row % 2 === 0) return piece;
    return piece[0] === "`" ? make("code", { text: piece.slice(1, -1) }) : make("strong", { text: piece.slice(2, -2) });
  });
}
