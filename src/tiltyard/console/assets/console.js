// What every page has: title and focus after a change, text fields and zoom in the address, the age of the figures.
window.tiltyard = {
  // The page that is open: the prefix of its components' ids.
  page: function () {
    const frame = document.querySelector("#main [id$='-frame']");
    return frame ? frame.id.slice(0, -"-frame".length) : "";
  },
  // Ask for new figures now.
  refresh: function () {
    const page = window.tiltyard.page();
    if (page) window.dash_clientside.set_props(page + "-tick", { n_intervals: Date.now() });
  },
  // Another query at the same page; `push` makes a step for the back button.
  setQuery: function (changes, push) {
    const address = new URL(window.location.href);
    for (const [key, value] of Object.entries(changes)) {
      if (value) address.searchParams.set(key, value);
      else address.searchParams.delete(key);
    }
    if (address.href === window.location.href) return;
    window.history[push ? "pushState" : "replaceState"]({}, "", address.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  },
  go: function (path) {
    window.history.pushState({}, "", path);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  },
  // An element with text and children; nothing is ever read as HTML.
  make: function (name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "text") element.textContent = value;
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  },
  // JSON from and to this console; an error has `message` and `next_step`.
  call: async function (path, body) {
    const options = { headers: { Accept: "application/json" } };
    if (body !== undefined) {
      options.method = "POST";
      options.headers["Content-Type"] = "application/json";
      options.body = JSON.stringify(body);
    }
    let response;
    try {
      response = await window.fetch(path, options);
    } catch (_) {
      throw { message: "The console does not respond.", next_step: "See whether it still runs." };
    }
    const content = await response.json().catch(() => ({}));
    if (response.ok) return content;
    throw {
      message: content.detail || content.title || "The console refused it (" + response.status + ").",
      next_step: content.next_step || "",
    };
  },
};

window.dash_clientside = Object.assign({}, window.dash_clientside, {
  tiltyard: {
    // After a page has changed: its title in the tab, and the keyboard at its heading, as if it had been loaded.
    arrive: function (content, before) {
      const heading = document.querySelector("#main h1");
      if (!heading) return window.dash_clientside.no_update;
      const project = document.title.split(" · ").slice(-2).join(" · ");
      document.title = heading.textContent + " · " + project;
      for (const entry of document.querySelectorAll("#menu > span")) {
        const link = entry.querySelector("a");
        if (entry.classList.contains("here")) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      const menu = document.getElementById("menu"), here = menu && menu.querySelector(".here");
      if (here) menu.scrollLeft = here.offsetLeft - menu.clientWidth / 2 + here.offsetWidth / 2;
      if (before) heading.focus({ preventScroll: true });
      if (before) window.scrollTo(0, 0);
      return true;
    },
  },
});

(function () {
  const fetchAsBefore = window.fetch;
  let answered = 0;
  let failed = false;

  window.fetch = async function (...request) {
    const isRefresh = String(request[0]).includes("_dash-update-component");
    let response;
    try {
      response = await fetchAsBefore.apply(this, request);
    } catch (error) {
      if (isRefresh) failed = true;
      throw error;
    }
    // A session that has ended, or whose key was revoked: back to where browsers sign in, not to pages that stand still.
    if (response.status === 401) {
      window.location.assign("/sign-in?page=" + encodeURIComponent(window.location.pathname + window.location.search));
    }
    if (isRefresh) {
      failed = !response.ok;
      if (response.ok) answered = Date.now();
    }
    return response;
  };

  function describeAge(seconds) {
    if (seconds < 60) return seconds + " s";
    return seconds < 5400 ? Math.round(seconds / 60) + " min" : Math.round(seconds / 3600) + " h";
  }

  window.setInterval(function () {
    const shown = document.getElementById("refreshed");
    if (!shown || !answered) return;
    const age = describeAge(Math.max(0, Math.round((Date.now() - answered) / 1000)));
    shown.textContent = failed ? "no response since " + age : "updated " + age + " ago";
    shown.classList.toggle("bad", failed);
  }, 1000);

  // Fields that are part of the address.
  let waiting = 0;
  document.addEventListener("input", function (event) {
    const field = event.target.closest("[data-query]");
    if (!field) return;
    window.clearTimeout(waiting);
    const key = field.getAttribute("data-query");
    const value = event.target.value.trim();
    waiting = window.setTimeout(() => window.tiltyard.setQuery({ [key]: value }, false), 300);
  });
  window.addEventListener("popstate", function () {
    const query = new URL(window.location.href).searchParams;
    for (const field of document.querySelectorAll("[data-query] input")) {
      window.dash_clientside.set_props(field.id, { value: query.get(field.parentElement.closest("[data-query]").dataset.query) || "" });
    }
  });

  // A part of a chart of time that is marked becomes the time of all pages.
  document.addEventListener("pointerover", function (event) {
    const plot = event.target.closest && event.target.closest(".js-plotly-plot");
    const axis = plot && plot.layout && plot.layout.xaxis;
    if (!axis || axis.type !== "date" || axis.fixedrange || plot.tiltyardWatched) return;
    plot.tiltyardWatched = true;
    plot.on("plotly_relayout", function (change) {
      const since = change["xaxis.range[0]"], until = change["xaxis.range[1]"];
      if (!since || !until) return;
      const at = (text) => String(text).replace(" ", "T").slice(0, 19) + "Z";
      window.tiltyard.setQuery({ since: at(since), until: at(until), period: "" }, true);
    });
  });

  // The range of two moments.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-range]");
    if (!button) return;
    const make = window.tiltyard.make;
    const read = (text) => (text || "").slice(0, 16);
    const since = make("input", { type: "datetime-local", id: "range-since", required: true, value: read(button.dataset.since) });
    const until = make("input", { type: "datetime-local", id: "range-until", required: true, value: read(button.dataset.until) });
    const form = make(
      "form", { method: "dialog" },
      make("h2", { text: "Time (UTC)", id: "range-title" }),
      make("label", { for: "range-since", text: "From" }), since,
      make("label", { for: "range-until", text: "Until" }), until,
      make("div", { class: "buttons" },
        make("button", { type: "submit", class: "ask", text: "Show" }),
        make("button", { type: "button", text: "Cancel", "data-close": true })),
    );
    const dialog = window.tiltyard.openDialog(form, "range-title");
    form.addEventListener("submit", function () {
      if (since.value < until.value) window.tiltyard.setQuery({ since: since.value + ":00Z", until: until.value + ":00Z", period: "" }, true);
    });
    dialog.addEventListener("close", () => button.isConnected && button.focus());
  });

  window.tiltyard.openDialog = function (content, title) {
    const dialog = window.tiltyard.make("dialog", { "aria-labelledby": title }, content);
    document.body.append(dialog);
    dialog.addEventListener("click", function (event) {
      if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
    return dialog;
  };
})();
