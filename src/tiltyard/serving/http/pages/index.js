"use strict";

const POLL_MS = 5000;

let model = null;

async function refresh() {
  let health;
  try {
    const response = await fetchWithKey("health", { cache: "no-store" });
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
  showCards(health);
  const degraded = get("degraded");
  degraded.hidden = health.status !== "degraded";
  degraded.textContent = `${health.reason} ${health.next_step}`;
  if (health.model_loaded && (!model || model.version !== health.version)) await loadModel();
  // Without a key nothing is known of the model, and there is no form to fill.
  get("try-it").hidden = !health.model_loaded || !model;
}

async function loadModel() {
  try {
    const response = await fetchWithKey("model-info", { cache: "no-store" });
    if (!response.ok) return;
    const before = model;
    model = await response.json();
    const sameForm = before && JSON.stringify(before.features) === JSON.stringify(model.features);
    if (!sameForm) buildForm();
    get("confidence-card").hidden = isNumber();
    get("confidence-column").textContent = isNumber() ? "Interval" : "Confidence";
  } catch {
    // The next check of /health shows what is wrong.
  }
}

function showCards(health) {
  const totals = health.statistics;
  const labels = totals ? Object.entries(totals.by_label).slice(0, 3) : [];
  const known = totals && totals.mean_confidence !== null;
  const cards = {
    "card-status": health.status,
    "card-uptime": health.uptime_seconds === undefined ? "" : `up for ${duration(health.uptime_seconds)}`,
    "card-version": health.version || "–",
    "card-since": health.challenger ? `challenger: version ${health.challenger}` : "",
    "card-total": totals ? totals.total_predictions.toLocaleString() : "–",
    "card-labels": totals ? labels.map(([name, count]) => `${name} ${count.toLocaleString()}`).join(", ") : "needs a key that may read",
    "card-confidence": known ? percent(totals.mean_confidence) : "–",
    "card-range": known ? `${percent(totals.min_confidence)} to ${percent(totals.max_confidence)}` : "",
    "card-latency": totals && totals.mean_latency_ms !== null ? `${totals.mean_latency_ms.toFixed(1)} ms` : "–",
    "card-queue": health.queue ? `${health.queue.waiting} waiting` : "",
  };
  for (const [id, text] of Object.entries(cards)) get(id).textContent = text;
  get("card-status").dataset.status = health.status;
}

function buildForm() {
  const isText = model.input === "text";
  get("text-input").hidden = !isText;
  const fields = get("feature-inputs");
  fields.hidden = isText;
  fields.replaceChildren();
  model.features.forEach((feature, position) => {
    const id = `feature-${position}`;
    const block = element("div");
    const label = element("label", feature.name);
    label.htmlFor = id;
    label.append(element("small", describeFeature(feature)));
    block.append(label, createField(feature, id));
    fields.append(block);
  });
  get("json").value = JSON.stringify(exampleInput(), null, 2);
  setMode();
}

function exampleInput() {
  if (model.input === "text") return { text: "" };
  return { features: Object.fromEntries(model.features.map((feature) => [feature.name, feature.example])) };
}

function describeFeature(feature) {
  if (feature.minimum !== null) return `${feature.minimum} to ${feature.maximum}`;
  return feature.type === "any" || feature.values ? "" : feature.type;
}

function createField(feature, id) {
  let made;
  const values = feature.type === "boolean" ? ["true", "false"] : feature.values;
  if (values && values.length <= 50) {
    made = element("select");
    for (const value of ["", ...values]) {
      const option = element("option", value === "" ? "not known" : value);
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
  if (feature.example !== null) made.value = String(feature.example);
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

function formRequest() {
  if (model.input === "text") {
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

/** A list of inputs is what /predict/batch accepts; each may be written with its key or without. */
function jsonRequest() {
  let content;
  try {
    content = JSON.parse(get("json").value);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  const isText = model.input === "text";
  const [one, many] = isText ? ["text", "texts"] : ["features", "instances"];
  const open = (item) => (item !== null && typeof item === "object" && one in item ? item[one] : item);
  if (Array.isArray(content)) return { [many]: content.map(open) };
  if (content !== null && typeof content === "object" && many in content) return content;
  return { [one]: open(content) };
}

const mode = () => document.querySelector("input[name=mode]:checked").value;

function setMode() {
  for (const name of ["form", "json", "file"]) get(`${name}-input`).hidden = mode() !== name;
  const hints = { form: model && model.input !== "text" ? "An empty field means: not known." : "or press Ctrl + Enter", json: "or press Ctrl + Enter", file: "" };
  get("form-hint").textContent = hints[mode()];
  get("error").textContent = "";
}

function post(path, body, type) {
  return fetchWithKey(path, { method: "POST", headers: { "Content-Type": type }, body });
}

async function predictNow() {
  if (mode() === "file") {
    const file = get("file").files[0];
    if (!file) throw new Error("Choose a file first.");
    const query = new URLSearchParams({ name: file.name, output: "json" });
    return [await post(`predict/file?${query}`, file, "application/octet-stream"), showFile];
  }
  const input = mode() === "json" ? jsonRequest() : formRequest();
  const many = "instances" in input || "texts" in input;
  const response = await post(many ? "predict/batch" : "predict", JSON.stringify(input), "application/json");
  return [response, many ? (found) => showMany(found.predictions) : showPrediction];
}

async function send(event) {
  event.preventDefault();
  const button = get("send");
  get("error").textContent = "";
  button.disabled = true;
  try {
    const [response, show] = await predictNow();
    const content = await response.json();
    if (!response.ok) {
      get("error").textContent = [content.detail, content.next_step].filter(Boolean).join(" ");
      if (response.status === 503) await refresh();
      return;
    }
    show(content);
    await Promise.all([refreshHistory(), refresh()]);
  } catch (error) {
    get("error").textContent = error instanceof TypeError ? "The server does not respond." : error.message;
  } finally {
    button.disabled = false;
  }
}

get("form").addEventListener("submit", send);
get("form").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) get("form").requestSubmit();
});
for (const choice of document.querySelectorAll("input[name=mode]")) choice.addEventListener("change", setMode);
setMode();
refresh();
setInterval(refresh, POLL_MS);
