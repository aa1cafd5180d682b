"use strict";

const get = (id) => document.getElementById(id);

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function duration(seconds) {
  for (const [size, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${name}`;
  }
  return `${Math.floor(seconds)} s`;
}

function fill(bar, share) {
  bar.firstElementChild.style.width = `${100 * share}%`;
}

/** A row of a bar chart: its name, a bar of 0 to 1, and the number as text. */
function barRow(name, share, text) {
  const row = element("li");
  const track = element("span", undefined, "bar");
  track.append(element("span"));
  fill(track, share);
  row.append(element("span", name, "name"), track, element("span", text, "number"));
  return row;
}
