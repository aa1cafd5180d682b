"use strict";

const get = (id) => document.getElementById(id);
let api = null;

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function resolve(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return api.components.schemas[schema.$ref.split("/").pop()] || {};
}

function typeOf(given) {
  const schema = resolve(given);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const options = schema.anyOf || schema.oneOf;
  if (options) return options.map(typeOf).join(" | ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  if (schema.type === "object" && typeof schema.additionalProperties === "object") {
    return `object of ${typeOf(schema.additionalProperties)}`;
  }
  const type = Array.isArray(schema.type) ? schema.type.join(" | ") : schema.type || "any";
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Rows of [path, type, required, description], objects and lists of objects opened up. */
function rows(given, prefix = "", depth = 0) {
  const schema = resolve(given);
  if (schema.oneOf) return schema.oneOf.flatMap((option) => rows(option, prefix, depth));
  const required = new Set(schema.required || []);
  return Object.entries(schema.properties || {}).flatMap(([name, property]) => {
    const path = `${prefix}${name}`;
    const inner = resolve(property);
    const row = [path, typeOf(property), required.has(name), property.description || inner.description || ""];
    if (depth >= 3) return [row];
    if (inner.properties) return [row, ...rows(property, `${path}.`, depth + 1)];
    if (inner.type === "array" && resolve(inner.items).properties) {
      return [row, ...rows(inner.items, `${path}[].`, depth + 1)];
    }
    return [row];
  });
}

function fieldTable(schema) {
  const found = rows(schema);
  if (!found.length) return element("p", typeOf(schema), "hint");
  const table = element("table");
  const head = element("tr");
  for (const title of ["Field", "Type", "Meaning"]) {
    const cell = element("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(element("thead"), element("tbody"));
  table.tHead.append(head);
  for (const [path, type, required, description] of found) {
    const row = element("tr");
    const name = element("td");
    name.append(element("code", path));
    if (!required) name.append(element("span", " optional", "hint"));
    row.append(name, element("td", type), element("td", description));
    table.tBodies[0].append(row);
  }
  const scroll = element("div", undefined, "scroll");
  scroll.append(table);
  return scroll;
}

function jsonContent(part) {
  const content = part && part.content;
  if (!content) return null;
  return content["application/json"] || content["application/problem+json"] || null;
}

function responses(operation) {
  const block = element("div");
  for (const [status, response] of Object.entries(operation.responses)) {
    const content = jsonContent(response);
    if (status.startsWith("2") && content && content.schema) {
      block.append(element("h3", `Response ${status}`), fieldTable(content.schema));
    }
  }
  const problems = Object.keys(operation.responses).filter((status) => !status.startsWith("2"));
  if (problems.length) {
    const line = element("p", "Otherwise: ", "hint");
    const link = element("a", problems.join(", "));
    link.href = "#errors";
    line.append(link);
    block.append(line);
  }
  return block;
}

function curl(method, path, body, guarded) {
  const key = guarded ? " -H 'Authorization: Bearer …'" : "";
  const url = `${location.origin}${path}${key}`;
  if (body === null) return method === "get" ? `curl ${url}` : `curl -X ${method.toUpperCase()} ${url}`;
  const quoted = body.replaceAll("'", "'\\''");
  return `curl ${url} \\\n  -H 'Content-Type: application/json' \\\n  -d '${quoted}'`;
}

function tryIt(method, path, operation) {
  const block = element("form");
  const content = jsonContent(operation.requestBody);
  const guarded = (operation.security || []).length > 0;
  let body = null;
  block.append(element("h3", "Try it"));
  if (content) {
    const id = `body-${method}${path.replaceAll("/", "-")}`;
    const label = element("label", "Body");
    label.htmlFor = id;
    body = element("textarea", undefined, "code");
    body.id = id;
    body.spellcheck = false;
    body.value = JSON.stringify(content.example ?? {}, null, 2);
    block.append(label, body);
  }
  const command = element("pre", curl(method, path, body && body.value, guarded));
  if (body) body.addEventListener("input", () => { command.textContent = curl(method, path, body.value, guarded); });
  const actions = element("div", undefined, "actions");
  const button = element("button", "Send");
  button.type = "submit";
  const outcome = element("span", "", "hint");
  outcome.setAttribute("role", "status");
  actions.append(button, outcome);
  const output = element("pre");
  output.hidden = true;
  output.tabIndex = 0;
  block.append(command, actions, output);
  block.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const began = performance.now();
    try {
      const options = { method: method.toUpperCase(), cache: "no-store" };
      if (body) Object.assign(options, { body: body.value, headers: { "Content-Type": "application/json" } });
      const response = await fetchWithKey(path, options);
      const text = await response.text();
      outcome.textContent = `${response.status} in ${(performance.now() - began).toFixed(1)} ms`;
      output.hidden = false;
      try {
        output.textContent = JSON.stringify(JSON.parse(text), null, 2);
      } catch {
        output.textContent = text;
      }
    } catch {
      outcome.textContent = "The server does not respond.";
    } finally {
      button.disabled = false;
    }
  });
  return block;
}

/** A path with its parameters filled in, as far as the document names their values. */
function fillPath(path, operation) {
  return (operation.parameters || []).reduce((url, parameter) => {
    const values = parameter.in === "path" && resolve(parameter.schema).enum;
    return values ? url.replace(`{${parameter.name}}`, encodeURIComponent(values[0])) : url;
  }, path);
}

function route(method, path, operation) {
  const details = element("details", undefined, "route");
  const summary = element("summary");
  summary.append(
    element("span", method.toUpperCase(), `method ${method}`),
    element("span", path, "path"),
    element("span", operation.summary || "", "hint"),
  );
  const inside = element("div");
  if (operation.description) inside.append(element("p", operation.description));
  const content = jsonContent(operation.requestBody);
  if (content) inside.append(element("h3", "Request"), fieldTable(content.schema));
  inside.append(responses(operation), tryIt(method, fillPath(path, operation), operation));
  details.append(summary, inside);
  return details;
}

async function load() {
  try {
    api = await (await fetchWithKey("openapi.json", { cache: "no-store" })).json();
  } catch {
    get("failure").textContent = "The server does not respond.";
    return;
  }
  if (!api.paths) return; // Without a key; the form for it is there now.
  get("title").textContent = `${api.info.title.replace(/^Tiltyard: /, "")}: API`;
  get("summary").textContent = api.info.summary || "";
  document.title = `${api.info.title} API`;
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      get("routes").append(route(method, path, operation));
    }
  }
  const first = get("routes").querySelector("details");
  if (first) first.open = true;
}

load();
