// The page: which models there are, which one is shown, and what is said of it.
// The address keeps the choice: #/NAME or #/NAME/versions/2.

import { askJson, isAbort } from "./api.js";
import { isMedical } from "./answer.js";
import { batchSection } from "./batch.js";
import { render } from "./blocks.js";
import { driftSection } from "./drift.js";
import { failureNote, make, newId, section } from "./dom.js";
import { figures } from "./figures.js";
import { imageTrial } from "./images.js";
import { textTrial } from "./texts.js";

const FIELDS = {
  image: {
    trial: imageTrial,
    upload: {
      file: "zip file",
      holds: "PNG or JPEG images",
      scored: "; with a folder for each class, the answers are scored",
      accept: ".zip,application/zip",
    },
  },
  text: {
    trial: textTrial,
    upload: {
      file: "CSV file",
      holds: "a column “text”, or only one column",
      scored: "; with a column “label”, the answers are scored",
      accept: ".csv,.zip,text/csv,application/zip",
    },
  },
}; // what a person gives a model, by the kind of its input
const AGAIN = 1500; // milliseconds until a server that is not ready is asked again
const main = document.getElementById("main");
const menu = document.getElementById("models");
let models = [];
let leaving = new AbortController(); // what the model shown before had under way

start();

async function start() {
  try {
    ({ models } = await askJson("/v1/models"));
  } catch (failure) {
    main.replaceChildren(failureNote(failure, start));
    if (failure.status === 503) setTimeout(start, failure.wait * 1000 || AGAIN);
    return;
  }
  if (!models.length) {
    const text = "No model is served yet. This page checks again every few seconds.";
    main.replaceChildren(make("p", { class: "banner", text }));
    setTimeout(start, AGAIN);
    return;
  }
  menu.replaceChildren(
    ...models.map((model) => make("a", { href: address(model.name, ""), title: model.title, text: model.name })),
  );
  onhashchange = open;
  open();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address is for the model
  main.focus();
});

/** Show the model that the address names, or the first. */
function open() {
  const [name, choice] = chosen();
  const model = models.find((one) => one.name === name) ?? models[0];
  leaving.abort();
  leaving = new AbortController();
  for (const link of menu.children) {
    if (link.textContent === model.name) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "center" }); // on a phone the models are in one line
    } else link.removeAttribute("aria-current");
  }
  document.title = `${model.title} · keras-dl`;
  main.replaceChildren(...modelPage(model, model.name === name ? choice : "", leaving.signal));
}

function chosen() {
  const [mark, name = "", kind, which] = location.hash.split("/").map(decoded);
  if (mark !== "#") return ["", ""];
  return [name, ["versions", "labels"].includes(kind) && which ? `/${kind}/${encodeURIComponent(which)}` : ""];
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return ""; // somebody wrote the address by hand
  }
}

function address(name, choice) {
  return `#/${encodeURIComponent(name)}${choice}`;
}

function modelPage(model, asked, signal) {
  if (!model.modality) return [make("h1", { text: model.name }), notReady(model, signal)];
  const title = make("h1", { text: model.title });
  if (!Object.hasOwn(FIELDS, model.modality)) return [title, cautions(model), noField(model)];
  const { trial: trialOf, upload } = FIELDS[model.modality];
  const version = versionField(model, asked, () => trial.again());
  const trial = trialOf(model, version.value, signal);
  return [
    title,
    cautions(model),
    section("Try it", version.element, trial.element),
    batchSection(model, upload, version.value, signal),
    figures(model),
    driftSection(model, signal),
  ].filter(Boolean);
}

function noField(model) {
  const text = `This page has no field for the kind of input “${model.modality}”. Programs can use the API at /docs.`;
  return make("p", { class: "banner", role: "status", text });
}

function notReady(model, signal) {
  const isLoading = (model.versions ?? []).some((one) => one.state === "LOADING");
  const timer = isLoading && setTimeout(start, AGAIN);
  signal.addEventListener("abort", () => clearTimeout(timer));
  const states = (model.versions ?? []).map((one) => `version ${one.version}: ${one.state.toLowerCase()}`);
  return make(
    "div",
    { class: "banner", role: "status" },
    make("strong", { text: "No version of this model is ready" }),
    make("p", { text: `${states.join(", ") || "there is none"}. If this does not change, the reason is in the server's log.` }),
    make("button", { type: "button", text: "Look again", click: start }),
  );
}

/** What a model must not be used for: the heads of the warnings in one line, and all there is to say behind it. */
function cautions(model) {
  const versions = model.versions ?? [];
  const marks = model.marks ?? [];
  const heads = [isMedical(model) && "Not a medical device", ...marks.map((mark) => mark.title)].filter(Boolean);
  return make(
    "details",
    { class: heads.length ? "caution grave" : "caution" },
    make("summary", { text: heads.join(" · ") || "Intended use and limits" }),
    ...marks.map((mark) => render({ ...mark, warning: false })),
    said("What it is for", model.intended_use),
    said("Limits", model.limits),
    versions.length === 1 ? said("Version", versions[0].version) : null,
  );
}

function said(title, text) {
  return make("p", {}, make("strong", { text: `${title}: ` }), text || "Not stated.");
}

/** The choice among versions and labels, kept in the address; without a choice where there is nothing to choose. */
function versionField(model, asked, change) {
  const versions = (model.versions ?? []).toSorted((one, other) => Number(other.version) - Number(one.version));
  const ready = versions.filter((one) => one.state === "AVAILABLE");
  const choices = [["", "chosen by the server"]];
  for (const one of ready) {
    for (const label of one.labels ?? []) {
      choices.push([`/labels/${encodeURIComponent(label)}`, `${label}: version ${one.version}${share(one)}`]);
    }
  }
  for (const one of versions) choices.push([`/versions/${one.version}`, `version ${one.version}`, one.state]);
  const known = choices.some(([value]) => value === asked) ? asked : "";
  if (versions.length < 2) {
    return { element: null, value: () => known };
  }
  const id = newId("version");
  const options = choices.map(([value, text, state = "AVAILABLE"]) =>
    make("option", {
      value,
      text: state === "AVAILABLE" ? text : `${text} (${state.toLowerCase()})`,
      disabled: state !== "AVAILABLE",
      selected: value === known,
    }),
  );
  const select = make(
    "select",
    {
      id,
      change: () => {
        history.replaceState(null, "", address(model.name, select.value));
        change();
      },
    },
    ...options,
  );
  const element = make("p", { class: "row" }, make("label", { for: id, text: "Version" }), select);
  return { element, value: () => select.value };
}

function share({ weight }) {
  return typeof weight === "number" ? `, gets ${Math.round(100 * weight)} % of the requests` : "";
}

addEventListener("unhandledrejection", (event) => {
  if (isAbort(event.reason)) event.preventDefault(); // what was left behind on purpose
});
