"use strict";

function showConfidence(title, share) {
  get("no-result").hidden = true;
  get("result").hidden = false;
  get("confidence-title").textContent = title;
  get("confidence").textContent = percent(share);
  const bar = get("confidence-bar");
  bar.setAttribute("aria-valuenow", (100 * share).toFixed(1));
  bar.setAttribute("aria-valuetext", percent(share));
  fill(bar, share);
}

function showProbabilities(title, probabilities) {
  get("probabilities-title").textContent = title;
  const rows = Object.entries(probabilities).sort((one, other) => other[1] - one[1]);
  get("probabilities").replaceChildren(...rows.map(([name, share]) => barRow(name, share, percent(share))));
}

function listWarnings(lines) {
  get("warnings").replaceChildren(...lines.map((line) => element("li", line)));
  get("warnings").hidden = lines.length === 0;
}

const warningLine = (one) => `'${one.field}' ${one.message}`;

const isNumber = () => model.target === "number";

/** The interval of a number in place of a confidence. */
function showInterval(title, text) {
  get("no-result").hidden = true;
  get("result").hidden = false;
  get("confidence-title").textContent = title;
  get("confidence").textContent = text;
  get("confidence-bar").hidden = true;
  get("probabilities-title").textContent = "";
  get("probabilities").replaceChildren();
}

const writeEnd = (end) => (end === null ? "open" : end.toLocaleString());
const writeInterval = (ends) => (ends === null ? "none" : `${writeEnd(ends[0])} to ${writeEnd(ends[1])}`);

/** The prediction of one input. */
function showPrediction(prediction) {
  if (isNumber()) {
    const share = model.interval_coverage;
    showInterval(share ? `Interval of ${Math.round(100 * share)} %` : "Interval", writeInterval(prediction.interval));
    get("label").textContent = prediction[model.answer_field].toLocaleString();
  } else {
    showConfidence("Confidence", prediction.confidence);
    get("label").textContent = prediction[model.answer_field];
    showProbabilities("Probabilities", prediction.probabilities);
  }
  const abstained = prediction.abstained ? ["The model leaves this decision to a person."] : [];
  listWarnings([...abstained, ...(prediction.warnings ?? []).map(warningLine)]);
  get("spread").hidden = true;
  get("facts").hidden = false;
  get("version").textContent = prediction.model_version;
  get("prediction-id").textContent = prediction.prediction_id;
}

function showSummary(summary) {
  if (isNumber()) {
    showInterval("Rows", summary.rows.toLocaleString());
    get("label").textContent = "Numbers";
    listWarnings(summary.warnings ? [`${summary.warnings.toLocaleString()} rows hold what training did not know.`] : []);
    get("spread").hidden = true;
    get("facts").hidden = true;
    get("download-line").hidden = true;
    return;
  }
  const labels = Object.entries(summary.by_label);
  showConfidence("Mean confidence", summary.mean_confidence);
  get("label").textContent = labels.map(([name, count]) => `${name} ${count.toLocaleString()}`).join(", ");
  showProbabilities(`Mean probabilities of ${summary.rows.toLocaleString()} rows`, summary.mean_probabilities);
  const strange = summary.warnings === 1 ? "1 row holds" : `${summary.warnings.toLocaleString()} rows hold`;
  listWarnings(summary.warnings ? [`${strange} something that training did not know.`] : []);
  const most = Math.max(...summary.confidence_counts);
  const rows = summary.confidence_counts.map((count, place) => [place, count]).filter(([, count]) => count > 0);
  get("spread-rows").replaceChildren(
    ...rows.map(([place, count]) => barRow(`${10 * place} to ${10 * place + 10} %`, count / most, count.toLocaleString())),
  );
  get("spread").hidden = false;
  get("facts").hidden = true;
  get("download-line").hidden = true;
}

/** The predictions of a list of inputs. */
function showMany(predictions) {
  if (isNumber()) {
    showSummary({ rows: predictions.length, warnings: predictions.filter((item) => item.warnings?.length).length });
    return;
  }
  const byLabel = {}, means = {};
  const counts = Array(10).fill(0);
  let confidence = 0;
  for (const item of predictions) {
    const label = item[model.answer_field];
    byLabel[label] = (byLabel[label] ?? 0) + 1;
    confidence += item.confidence / predictions.length;
    counts[Math.min(9, Math.floor(item.confidence * 10))] += 1;
    for (const [name, share] of Object.entries(item.probabilities)) {
      means[name] = (means[name] ?? 0) + share / predictions.length;
    }
  }
  showSummary({
    rows: predictions.length, by_label: byLabel, mean_confidence: confidence, mean_probabilities: means,
    confidence_counts: counts, warnings: predictions.filter((item) => item.warnings?.length).length,
  });
}

let address = "";

/** The predictions of a file, and the file with them to save. */
function showFile(scored) {
  showSummary(scored);
  if (address) URL.revokeObjectURL(address);
  address = URL.createObjectURL(new Blob([scored.content], { type: "text/csv" }));
  const link = get("download");
  link.href = address;
  link.download = scored.name;
  get("download-line").hidden = false;
}
