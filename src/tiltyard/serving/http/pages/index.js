"use strict";

const POLL_MS = 5000;
const KEPT = 20;
const STORE = "tiltyard-recent";

const get = (id) => document.getElementById(id);
let model = null;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function fill(bar, share) {
  bar.firstElementChild.style.width = `${100 * share}%`;
}

async function refresh() {
  let health;
  try {
    const response = await fetchWithKey("/health", { cache: "no-store" });
    health = await response.json();
  } catch {
    health = {
      status: "unhealthy", model_loaded: false, version: null, model: "",
      reason: "The server does not respond.", next_step: "Check that it runs.",
    };
  }
  const status = get("status");
  status.dataset.status = health.status;
  status.textContent = health.version ? `version ${health.version}, ${health.status}` : health.status;
  if (health.model) {
    get("model").textContent = `Predict with ${health.model}`;
    document.title = `${health.model} · Tiltyard`;
  }
  get("absent").hidden = health.model_loaded;
  if (!health.model_loaded) {
    get("absent-reason").textContent = health.reason;
    get("absent-step").textContent = health.next_step;
  }
  const degraded = get("degraded");
  degraded.hidden = health.status !== "degraded";
  degraded.textContent = `${health.reason} ${health.next_step}`;
  if (health.model_loaded && (!model || model.version !== health.version)) await loadModel();
  // Without a key nothing is known of the model, and there is no form to fill.
  get("try-it").hidden = !health.model_loaded || !model;
}

async function loadModel() {
  try {
    const response = await fetchWithKey("/model-info", { cache: "no-store" });
    if (!response.ok) return;
    const before = model;
    model = await response.json();
    const sameForm = before && JSON.stringify(before.features) === JSON.stringify(model.features);
    if (!sameForm) buildForm();
  } catch {
    // The next check of /health shows what is wrong.
  }
}

function buildForm() {
  const isText = model.task === "text-classification";
  get("text-input").hidden = !isText;
  const fields = get("feature-inputs");
  fields.hidden = isText;
  fields.replaceChildren();
  get("form-hint").textContent = isText ? "or press Ctrl + Enter" : "An empty field means: not known.";
  model.features.forEach((feature, position) => {
    const id = `feature-${position}`;
    const block = element("div");
    const label = element("label", feature.name);
    label.htmlFor = id;
    label.append(element("small", feature.type === "any" ? "" : feature.type));
    block.append(label, createField(feature, id));
    fields.append(block);
  });
}

function createField(feature, id) {
  let made;
  if (feature.type === "boolean") {
    made = element("select");
    for (const [value, text] of [["", "not known"], ["true", "true"], ["false", "false"]]) {
      const option = element("option", text);
      option.value = value;
      made.append(option);
    }
  } else {
    made = element("input");
    made.type = feature.type === "number" ? "number" : "text";
    if (feature.type === "number") made.step = "any";
    if (feature.type === "time") made.placeholder = "2026-01-31T12:00:00Z";
    made.autocomplete = "off";
  }
  made.id = id;
  made.dataset.feature = feature.name;
  made.dataset.kind = feature.type;
  return made;
}

function valueOf(field) {
  if (field.validity.badInput) throw new Error(`'${field.dataset.feature}' is not a number.`);
  if (field.value === "") return null;
  if (field.dataset.kind === "number") return Number(field.value);
  if (field.dataset.kind === "boolean") return field.value === "true";
  return field.value;
}

function request() {
  if (model.task === "text-classification") {
    const text = get("text").value;
    if (!text.trim()) throw new Error("Write a text first.");
    return { text };
  }
  const features = {};
  for (const field of get("feature-inputs").querySelectorAll("[data-feature]")) {
    features[field.dataset.feature] = valueOf(field);
  }
  return { features };
}

async function send(event) {
  event.preventDefault();
  const button = get("send");
  get("error").textContent = "";
  let input;
  try {
    input = request();
  } catch (error) {
    get("error").textContent = error.message;
    return;
  }
  button.disabled = true;
  try {
    const response = await fetchWithKey("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(input),
    });
    const prediction = await response.json();
    if (!response.ok) {
      get("error").textContent = [prediction.detail, prediction.next_step].filter(Boolean).join(" ");
      if (response.status === 503) await refresh();
      return;
    }
    show(prediction);
    remember(input, prediction);
  } catch {
    get("error").textContent = "The server does not respond.";
  } finally {
    button.disabled = false;
  }
}

function show(prediction) {
  get("no-result").hidden = true;
  get("result").hidden = false;
  get("label").textContent = prediction[model.answer_field];
  get("confidence").textContent = percent(prediction.confidence);
  const bar = get("confidence-bar");
  bar.setAttribute("aria-valuenow", (100 * prediction.confidence).toFixed(1));
  bar.setAttribute("aria-valuetext", percent(prediction.confidence));
  fill(bar, prediction.confidence);
  const rows = Object.entries(prediction.probabilities).sort((one, other) => other[1] - one[1]);
  get("probabilities").replaceChildren(...rows.map(([name, share]) => {
    const row = element("li");
    const track = element("span", undefined, "bar");
    track.append(element("span"));
    fill(track, share);
    row.append(element("span", name, "name"), track, element("span", percent(share), "number"));
    return row;
  }));
  const warnings = prediction.warnings ?? [];
  get("warnings").replaceChildren(...warnings.map((one) => element("li", `'${one.field}' ${one.message}`)));
  get("warnings").hidden = warnings.length === 0;
  get("version").textContent = prediction.model_version;
  get("prediction-id").textContent = prediction.prediction_id;
}

function recent() {
  try {
    return JSON.parse(sessionStorage.getItem(STORE)) || [];
  } catch {
    return [];
  }
}

function remember(input, prediction) {
  const text = input.text ?? Object.entries(input.features).map(([name, value]) => `${name} = ${value ?? "?"}`).join(", ");
  const row = {
    at: new Date().toISOString(),
    input: text.length > 160 ? `${text.slice(0, 160)} …` : text,
    label: prediction[model.answer_field],
    confidence: prediction.confidence,
    version: prediction.model_version,
  };
  const rows = [row, ...recent()].slice(0, KEPT);
  try {
    sessionStorage.setItem(STORE, JSON.stringify(rows));
  } catch {
    // A full or forbidden store only costs the list.
  }
  list(rows);
}

function list(rows) {
  get("no-recent").hidden = rows.length > 0;
  get("recent").hidden = rows.length === 0;
  get("recent-rows").replaceChildren(...rows.map((row) => {
    const line = element("tr");
    line.append(
      element("td", new Date(row.at).toLocaleTimeString(), "detail"),
      element("td", row.input, "input"),
      element("td", row.label),
      element("td", percent(row.confidence), "number"),
      element("td", row.version, "number detail"),
    );
    return line;
  }));
}

get("form").addEventListener("submit", send);
get("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("form").requestSubmit();
});
list(recent());
refresh();
setInterval(refresh, POLL_MS);
