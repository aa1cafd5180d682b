// After a page has changed: its title in the tab, and the keyboard at its heading, as if it had been loaded.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  tiltyard: {
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
      if (before) heading.focus({ preventScroll: true });
      if (before) window.scrollTo(0, 0);
      return true;
    },
  },
});

// A session that has ended, or whose key was revoked: back to where browsers sign in, instead of pages that stand still.
const fetchAsBefore = window.fetch;
window.fetch = async function (...request) {
  const response = await fetchAsBefore.apply(this, request);
  if (response.status === 401) window.location.assign("/sign-in?page=" + encodeURIComponent(window.location.pathname));
  return response;
};
