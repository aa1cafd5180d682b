"use strict";

const get = (id) => document.getElementById(id);

/** Errors name their kind as /docs#code, which the reference explains; Swagger UI's own anchors begin with a slash. */
function leaveForReference() {
  const anchor = location.hash.slice(1);
  if (anchor && !anchor.startsWith("/") && anchor !== "swagger-ui") location.replace(`reference#${anchor}`);
}

function followColours(dark) {
  document.documentElement.classList.toggle("dark-mode", dark);
}

async function start() {
  let response;
  try {
    response = await fetchWithKey("openapi.json", { cache: "no-store" });
  } catch {
    get("failure").textContent = "The server does not respond.";
    return;
  }
  if (!response.ok) return; // the form for the key is shown
  SwaggerUIBundle({
    spec: await response.json(),
    dom_id: "#swagger-ui",
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    validatorUrl: null,
    // The key of the page, unless one was entered under Authorize.
    requestInterceptor: (request) => ({ ...request, headers: { ...keyHeaders(), ...request.headers } }),
  });
}

const colours = matchMedia("(prefers-color-scheme: dark)");
followColours(colours.matches);
colours.addEventListener("change", (event) => followColours(event.matches));
window.addEventListener("hashchange", leaveForReference);
leaveForReference();
start();
