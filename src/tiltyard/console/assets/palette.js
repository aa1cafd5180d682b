// Ctrl-K or ⌘K: one field that leads to every page, version, incident and prediction.
(function () {
  const make = window.tiltyard.make;
  const PREDICTION = /^[0-9a-f]{8}-?[0-9a-f-]{4,}$/i;

  async function listTargets(button) {
    const found = JSON.parse(button.dataset.pages).map((page) => ({ ...page, kind: "page" }));
    const more = await Promise.allSettled([window.tiltyard.call("/api/v1/versions"), window.tiltyard.call("/api/v1/incidents")]);
    const items = (settled, key) => (settled.status === "fulfilled" ? settled.value[key] || settled.value.items || (Array.isArray(settled.value) ? settled.value : []) : []);
    for (const one of items(more[0], "versions")) {
      const aliases = Array.isArray(one.aliases) ? one.aliases : Object.keys(one.aliases || {});
      found.push({ kind: "version", title: "Version " + one.version, words: aliases.join(" "), href: "/versions/" + encodeURIComponent(one.version) });
    }
    for (const one of items(more[1], "incidents")) {
      found.push({ kind: "incident", title: one.title, words: one.state || "", href: "/incidents/" + encodeURIComponent(one.id) });
    }
    return found;
  }

  function select(targets, text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = targets.filter((one) => words.every((word) => (one.title + " " + one.words + " " + one.kind).toLowerCase().includes(word)));
    // What is named so goes before what only mentions it; equals stay in their order.
    const rank = (one) => { const title = one.title.toLowerCase(), place = title.indexOf(words[0] || ""); return place === 0 ? 0 : place > 0 ? 1 : 2; };
    rows.sort((one, other) => rank(one) - rank(other));
    const id = text.trim();
    if (PREDICTION.test(id)) rows.unshift({ kind: "prediction", title: id, words: "", href: "/predictions/" + encodeURIComponent(id) });
    if (id) rows.push({ kind: "search", title: "Search predictions for “" + id + "”", words: "", href: "/predictions?search=" + encodeURIComponent(id) });
    return rows.slice(0, 12);
  }

  function open() {
    const button = document.getElementById("palette");
    if (!button || document.querySelector("dialog[open]")) return;
    const field = make("input", {
      type: "search", id: "palette-text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list",
      "aria-label": "Go to", "aria-autocomplete": "list", autocomplete: "off", placeholder: "Page, version, incident, id of a prediction …",
    });
    const list = make("ul", { id: "palette-list", role: "listbox", "aria-label": "Where to" });
    const dialog = window.tiltyard.openDialog(make("div", { class: "palette" }, make("h2", { class: "unseen", id: "palette-title", text: "Go to" }), field, list), "palette-title");
    dialog.addEventListener("close", () => button.focus());
    let targets = JSON.parse(button.dataset.pages).map((page) => ({ ...page, kind: "page" }));
    let rows = [];
    let place = 0;

    function leave(row) {
      dialog.close();
      window.tiltyard.go(row.href);
    }
    function draw() {
      rows = select(targets, field.value);
      place = Math.max(0, Math.min(place, rows.length - 1));
      list.replaceChildren(...rows.map(function (row, index) {
        const item = make("li", { role: "option", id: "palette-" + index, "aria-selected": index === place ? "true" : "false" },
          make("span", { text: row.title }), make("span", { class: "hint", text: row.kind === "page" ? row.words : (row.words + " " + row.kind).trim() }));
        item.addEventListener("click", () => leave(row));
        return item;
      }));
      if (rows.length) field.setAttribute("aria-activedescendant", "palette-" + place);
      else field.removeAttribute("aria-activedescendant");
      const chosen = list.children[place];
      if (chosen) chosen.scrollIntoView({ block: "nearest" });
    }
    field.addEventListener("input", function () { place = 0; draw(); });
    field.addEventListener("keydown", function (event) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        place += event.key === "ArrowDown" ? 1 : -1;
        event.preventDefault();
        draw();
      } else if (event.key === "Enter" && rows[place]) {
        event.preventDefault();
        leave(rows[place]);
      }
    });
    draw();
    field.focus();
    listTargets(button).then(function (all) { targets = all; draw(); });
  }

  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => { if (event.target.closest("#palette")) open(); });
})();
