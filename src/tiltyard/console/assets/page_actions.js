// Buttons that act: a dialog with what the action needs, the command that does the same, and what came of it.
(function () {
  const make = window.tiltyard.make;

  function drawField(field, value) {
    const id = "action-" + field.name;
    const shared = { id: id, name: field.name, required: field.required };
    let input;
    if (field.kind === "choice") {
      input = make("select", shared, ...field.choices.map((choice) => make("option", { value: choice, text: choice, selected: choice === value })));
    } else if (field.kind === "long-text") {
      input = make("textarea", { ...shared, rows: 3 });
      input.value = value || "";
    } else if (field.kind === "flag") {
      input = make("input", { ...shared, type: "checkbox", required: false, checked: Boolean(value) });
      return make("div", { class: "field flag" }, input, make("label", { for: id, text: field.title }), field.help ? make("span", { class: "hint", text: field.help }) : null);
    } else {
      const types = { time: "datetime-local", number: "number" };
      input = make("input", { ...shared, type: types[field.kind] || "text", step: "any", autocomplete: "off", value: value === undefined ? "" : value });
    }
    return make("div", { class: "field" }, make("label", { for: id, text: field.title + (field.required ? "" : " (optional)") }), input,
      field.help ? make("span", { class: "hint", text: field.help }) : null);
  }

  function readValues(form, offered) {
    const values = { ...offered.values };
    for (const field of offered.fields) {
      const input = form.elements.namedItem(field.name);
      if (!input) continue;
      if (field.kind === "flag") values[field.name] = input.checked;
      else if (field.kind === "time" && input.value) values[field.name] = input.value + ":00Z";
      else if (input.value.trim()) values[field.name] = field.kind === "number" ? Number(input.value) : input.value.trim();
      else delete values[field.name];
    }
    return values;
  }

  function openAction(button) {
    const offered = JSON.parse(button.dataset.action);
    const fixed = Object.keys(offered.values).filter((name) => ["version", "incident", "prediction"].includes(name));
    const command = make("code", { text: offered.command });
    const note = make("div", { role: "status", "aria-live": "polite", class: "outcome" });
    const send = make("button", { type: "submit", class: offered.is_grave ? "ask grave" : "ask", text: offered.title.replace(/ …$/, "") });
    const form = make("form", { class: "action" },
      make("h2", { id: "action-title", text: offered.heading || offered.title.replace(/ …$/, "") }),
      make("p", { class: "hint", text: offered.help }),
      ...offered.fields.filter((field) => !fixed.includes(field.name)).map((field) => drawField(field, offered.values[field.name])),
      make("div", { class: "field" }, make("span", { class: "hint", text: "The same from a terminal:" }), make("pre", { class: "command", tabindex: "0" }, command)),
      note,
      make("div", { class: "buttons" }, send, make("button", { type: "button", text: "Cancel", "data-close": true })));
    const dialog = window.tiltyard.openDialog(form, "action-title");
    const path = "/api/v1/actions/" + encodeURIComponent(offered.name);
    dialog.addEventListener("close", () => button.isConnected && button.focus());

    let asked = 0;
    form.addEventListener("input", function () {
      window.clearTimeout(asked);
      asked = window.setTimeout(async function () {
        const written = await window.tiltyard.call(path + "/command", readValues(form, offered)).catch(() => null);
        if (written && written.command) command.textContent = written.command;
      }, 250);
    });
    form.addEventListener("submit", async function (event) {
      event.preventDefault();
      send.disabled = true;
      note.className = "outcome";
      note.textContent = "…";
      try {
        let outcome = await window.tiltyard.call(path, readValues(form, offered));
        if (outcome.job) outcome = await followJob(outcome.job, note, dialog);
        finish(outcome);
      } catch (error) {
        note.className = "outcome bad";
        note.replaceChildren(make("strong", { text: error.message }), make("div", { text: error.next_step || "" }));
        send.disabled = false;
      }
    });
    function finish(outcome) {
      note.className = "outcome good";
      note.replaceChildren(make("strong", { text: outcome.summary || "Done." }));
      send.remove();
      form.querySelector("[data-close]").textContent = "Close";
      form.querySelector("[data-close]").focus();
      for (const field of form.querySelectorAll(".field input, .field select, .field textarea")) field.disabled = true;
      window.tiltyard.refresh();
    }
    const first = form.querySelector("input, textarea, select");
    if (first) first.focus();
  }

  async function followJob(job, note, dialog) {
    for (;;) {
      const lines = (job.progress || []).slice(-6).map((line) => make("div", { text: line }));
      note.replaceChildren(make("strong", { text: job.state === "running" ? "It runs. You can close this: it goes on." : job.summary }), ...lines);
      if (job.state === "done" || job.state === "answered-no") return job;
      if (job.state !== "running") throw job.error || { message: job.summary || "It stopped.", next_step: "" };
      await new Promise((resolve) => window.setTimeout(resolve, 1000));
      if (!dialog.isConnected) return job;
      job = await window.tiltyard.call("/api/v1/jobs/" + encodeURIComponent(job.id));
    }
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-action]");
    if (button && !button.disabled && button.getAttribute("aria-disabled") !== "true") openAction(button);
  });
})();
