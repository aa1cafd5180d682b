"use strict";

/**
 * fetchWithKey fetches from the server with the visitor's API key; where a key is required, the page's form for it
 * appears. keyHeaders gives the header with that key.
 */
const { fetchWithKey, keyHeaders } = (() => {
  const STORE = "tiltyard-key";
  const form = document.getElementById("key-form");
  const field = document.getElementById("key");
  const message = document.getElementById("key-message");
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

  const keyHeaders = () => (key ? { Authorization: `Bearer ${key}` } : {});

  const fetchWithKey = async (path, options = {}) => {
    const headers = { ...options.headers, ...keyHeaders() };
    const response = await fetch(path, { ...options, headers });
    if (response.status === 401) {
      form.hidden = false;
      message.textContent = (await response.clone().json()).detail;
      if (key) {
        // A key that the server does not know is not sent again, or even /health would be refused.
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

  return { fetchWithKey, keyHeaders };
})();
