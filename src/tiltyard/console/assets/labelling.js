// Labelling: keys 1 to 9 for the classes, U takes the last label back, S skips.
(function () {
  const given = [];
  let busy = false;

  async function act(name, values, done) {
    if (busy) return;
    busy = true;
    try {
      await window.tiltyard.call("/api/v1/actions/" + name, values);
      done();
      window.tiltyard.refresh();
    } catch (error) {
      report(error.message + " " + error.next_step, "bad");
    } finally {
      busy = false;
    }
  }
  function report(text, style) {
    const note = document.getElementById("labelling-outcome");
    if (!note) return;
    note.textContent = text;
    note.className = "outcome " + style;
  }
  function save(prediction, label) {
    act("label", { prediction: prediction, label: label }, function () {
      given.push(prediction);
      report(label, "good");
    });
  }
  function undo() {
    const last = given[given.length - 1];
    if (!last) return;
    act("undo-label", { prediction: last }, function () {
      given.pop();
      window.tiltyard.setQuery({ skip: "" }, false);
      report("taken back", "good");
    });
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-label], [data-label-number], [data-undo-label]");
    if (!button || button.disabled) return;
    if (button.hasAttribute("data-undo-label")) undo();
    else if (button.hasAttribute("data-label")) save(button.dataset.prediction, button.dataset.label);
    else {
      const field = document.getElementById("labelling-number");
      if (field.value.trim()) save(button.dataset.labelNumber, field.value.trim());
    }
  });
  document.addEventListener("keydown", function (event) {
    if (!document.querySelector("[data-labelling]") || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Enter" && event.target.id === "labelling-number") document.querySelector("[data-label-number]").click();
      return;
    }
    const key = event.key.toLowerCase();
    if (key >= "1" && key <= "9") {
      const button = document.querySelectorAll("[data-label]")[Number(key) - 1];
      if (button) button.click();
    } else if (key === "u") undo();
    else if (key === "s") {
      const skip = document.getElementById("labelling-skip");
      if (skip) skip.click();
    }
  });
  // The button for taking back is drawn anew with each prediction.
  new MutationObserver(function () {
    const button = document.querySelector("[data-undo-label]");
    if (button && button.disabled !== !given.length) button.disabled = !given.length;
  }).observe(document.body, { childList: true, subtree: true });
})();
