"use strict";

const HISTORY_MS = 5000;
let asked = 0;
let drawn = "";

async function refreshHistory() {
  const mine = ++asked;
  const query = new URLSearchParams({ limit: "30" });
  if (get("search").value.trim()) query.set("search", get("search").value.trim());
  if (get("label-filter").value) query.set("label", get("label-filter").value);
  let content;
  try {
    const response = await fetchWithKey(`predictions?${query}`, { cache: "no-store" });
    content = await response.json();
    if (mine !== asked) return; // a later search is on its way
    if (!response.ok) {
      get("history-state").textContent = [content.detail, content.next_step].filter(Boolean).join(" ");
      get("history").hidden = true;
      return;
    }
  } catch {
    if (mine === asked) get("history-state").textContent = "The server does not respond.";
    return;
  }
  const narrowed = query.has("search") || query.has("label");
  get("history-state").textContent = describeFound(content, narrowed);
  listLabels(content.labels);
  const state = JSON.stringify(content.predictions.map((item) => item.prediction_id));
  if (state === drawn) return; // the same rows: a selection in them stays
  drawn = state;
  get("history").hidden = content.predictions.length === 0;
  get("history-rows").replaceChildren(...content.predictions.map(historyRow));
}

function describeFound(content, narrowed) {
  const shown = content.predictions.length;
  if (!narrowed) return describeLatest(shown);
  const found = content.found.toLocaleString();
  return `${found} of the latest ${content.read.toLocaleString()} predictions match${content.found > shown ? `; the latest ${shown} are shown` : ""}.`;
}

function describeLatest(shown) {
  if (shown === 0) return "No prediction was recorded yet.";
  return shown === 1 ? "One prediction so far." : `The latest ${shown} predictions, newest first.`;
}

function listLabels(labels) {
  const field = get("label-filter");
  const known = new Set([...field.options].map((option) => option.value));
  for (const label of labels) {
    if (known.has(label)) continue;
    const option = element("option", label);
    option.value = label;
    field.append(option);
  }
  field.parentElement.hidden = field.options.length < 2; // numbers have no labels to choose from
}

function historyRow(item) {
  const line = element("tr");
  const at = new Date(item.at);
  const time = element("time", at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString());
  time.dateTime = item.at;
  time.title = item.prediction_id;
  const cell = element("td");
  cell.append(time);
  const confidence = element("td", undefined, "number");
  const label = element("td", item.confidence === null ? Number(item.label).toLocaleString() : item.label);
  label.title = item.label;
  if (item.confidence === null) {
    const ends = (item.interval ?? []).map((end) => (end === null ? "open" : end.toLocaleString()));
    confidence.append(element("span", ends.join(" to ") || "–"));
  } else {
    const share = element("span", undefined, "bar");
    share.append(element("span"));
    fill(share, item.confidence);
    confidence.append(share, element("span", percent(item.confidence)));
  }
  const input = element("td", undefined, "input");
  const words = element("span", item.input);
  words.title = item.input;
  input.append(words);
  line.append(cell, input, label, confidence, element("td", item.model_version, "number detail"));
  return line;
}

let typing = 0;
get("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(refreshHistory, 250);
});
get("label-filter").addEventListener("change", refreshHistory);
refreshHistory();
setInterval(() => {
  if (get("auto").checked && !document.hidden) refreshHistory();
}, HISTORY_MS);
