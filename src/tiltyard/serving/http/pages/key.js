"use strict";

/** Asks the server, with the API key that the visitor gave; where one is wanted, the page's form for it appears. */
const ask = (() => {
  const STORE = "tiltyard-key";
  const form = document.getElementById("key-form");
  const field = document.getElementById("key");
  const told = document.getElementById("key-told");
  let key = "";
  try {
    key = sessionStorage.getItem(STORE) || "";
  } catch {
    // Without a store the key lasts as long as the page.
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    key = field.value.trim();
    field.value = "";
    try {
      sessionStorage.setItem(STORE, key);
    } catch {
      // As above.
    }
    location.reload();
  });

  return async (path, options = {}) => {
    const headers = { ...options.headers };
    if (key) headers.Authorization = `Bearer ${key}`;
    const response = await fetch(path, { ...options, headers });
    if (response.status === 401) {
      form.hidden = false;
      told.textContent = (await response.clone().json()).detail;
      if (key) {
        // What the server does not know is not sent again, or even /health would be refused.
        key = "";
        try {
          sessionStorage.removeItem(STORE);
        } catch {
          // As above.
        }
      }
    }
    return response;
  };
})();
