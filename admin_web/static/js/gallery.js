// The gallery: more results while scrolling, a viewer with keys, and several results chosen at once.

import { send } from "./background_forms.js";
import { ask } from "./confirm_dialog.js";

const SWIPE = 60;
const wall = document.getElementById("wall");
const viewer = document.getElementById("viewer");
const bulk = document.getElementById("bulk");

// --- more

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) more(entry.target);
  },
  { rootMargin: "900px" },
);

async function more(link) {
  if (link.hasAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  watcher.unobserve(link);
  try {
    const answer = await fetch(link.href, { headers: { "X-Fragment": "1" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    link.insertAdjacentHTML("beforebegin", await answer.text());
    link.remove();
    watch();
  } catch {
    // the link stays, to be followed by hand
    link.removeAttribute("aria-busy");
  }
}

function watch() {
  const link = wall?.querySelector("[data-more]");
  if (link) watcher.observe(link);
}

watch();

// --- filters: words and ticks apply at once; the box applies with its button, because a date is half typed for a while

const finder = document.querySelector("[data-finder]");
finder.querySelector("[data-apply]").hidden = true;
finder.addEventListener("change", (event) => {
  if (!event.target.closest(".finder-fields")) finder.requestSubmit();
});
finder.addEventListener("submit", () => {
  for (const field of finder.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener("pageshow", () => {
  for (const field of finder.elements) field.disabled = false;
});

// --- several at once

const chosen = () => [...wall.querySelectorAll("[name=ids]:checked")];

function count() {
  const number = chosen().length;
  bulk.querySelector("[data-count]").textContent = number;
  wall.toggleAttribute("data-choosing", number > 0);
}

wall?.addEventListener("change", count);
wall?.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen().length) bulk.reset();
});
bulk?.addEventListener("reset", () => setTimeout(count));
bulk?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  if (!button.dataset.sure) return;
  event.preventDefault();
  if (!(await ask(button.dataset.sure, button.dataset.yes, true))) return;
  const body = new FormData(bulk);
  body.set("sure", "yes");
  const said = await send(button.formAction, body);
  if (said) location.assign(said.go);
});

// --- the viewer

let at = null;
let part = 0;

const tiles = () => [...wall.querySelectorAll(".tile[data-files]:not([data-files=''])")];
const files = (tile) => tile.dataset.files.split(" ");

// Sets the links of pages that start from the shown picture; a video has none.
function beginWith(link, picture) {
  link.hidden = !picture;
  if (picture) link.href = link.dataset.from.replace("ID", picture);
}

function show(tile, which) {
  at = tile;
  part = which;
  const file = files(tile)[part];
  const picture = tile.querySelector("img");
  const stage = viewer.querySelector("[data-stage]");
  const media = document.createElement(tile.dataset.kind === "video" ? "video" : "img");
  if (media instanceof HTMLVideoElement) Object.assign(media, { controls: true, loop: true, autoplay: true, muted: true, playsInline: true });
  else media.alt = picture?.alt ?? "";
  media.src = file;
  stage.replaceChildren(media);
  viewer.querySelector("[data-words]").textContent = tile.querySelector(".tile-prompt").textContent;
  const parts = files(tile).length;
  viewer.querySelector("[data-which]").textContent = parts > 1 ? `${part + 1} / ${parts}` : "";
  viewer.querySelector("[data-page]").href = tile.querySelector("[data-open]").href + (parts > 1 ? `#picture-${part + 1}` : "");
  for (const link of viewer.querySelectorAll("[data-from]")) beginWith(link, tile.dataset.pictures.split(" ")[part]);
  viewer.querySelector("[data-download]").href = `${file}&download=1`;
  viewer.querySelector("[data-heart]").setAttribute("aria-pressed", String(Boolean(tile.querySelector(".tile-heart"))));
}

function step(by) {
  const all = tiles();
  const index = all.indexOf(at);
  const within = part + by;
  if (within >= 0 && within < files(at).length) return show(at, within);
  const next = all[index + by];
  if (next) show(next, by > 0 ? 0 : files(next).length - 1);
  if (index + by >= all.length - 4) {
    const link = wall.querySelector("[data-more]");
    if (link) more(link);
  }
}

async function heart() {
  const button = viewer.querySelector("[data-heart]");
  const tile = at;
  const on = button.getAttribute("aria-pressed") !== "true";
  const body = new FormData();
  body.set("favourite", String(on));
  if (!(await send(wall.dataset.favourite.replace("ID", tile.dataset.id), body))) return;
  tile.querySelector(".tile-heart")?.remove();
  if (on) {
    const mark = document.createElement("span");
    mark.className = "tile-heart";
    mark.append(button.querySelector("svg").cloneNode(true));
    tile.querySelector("[data-open]").append(mark);
  }
  if (at === tile) button.setAttribute("aria-pressed", String(on));
}

wall?.addEventListener("click", (event) => {
  const link = event.target.closest("[data-open]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const tile = link.closest(".tile");
  if (wall.hasAttribute("data-choosing")) {
    event.preventDefault();
    tile.querySelector("[name=ids]").click();
  } else if (tile.dataset.files) {
    event.preventDefault();
    show(tile, 0);
    viewer.showModal();
  }
});

viewer?.addEventListener("close", () => {
  viewer.querySelector("[data-stage]").replaceChildren();
  at.querySelector("[data-open]").focus();
});
viewer?.addEventListener("click", (event) => {
  if (event.target.closest("[data-back]")) step(-1);
  else if (event.target.closest("[data-on]")) step(1);
  else if (event.target.closest("[data-heart]")) heart();
  else if (event.target.closest("[data-shut]") || event.target.matches("[data-stage]")) viewer.close();
});
// swiping shows the next result, except on a video, where it moves the video
let began = null;
const stage = viewer?.querySelector("[data-stage]");
stage?.addEventListener(
  "touchstart",
  (event) => {
    began = event.touches.length === 1 && !event.target.closest("video") ? event.touches[0].clientX : null;
  },
  { passive: true },
);
stage?.addEventListener("touchend", (event) => {
  const by = began === null ? 0 : event.changedTouches[0].clientX - began;
  began = null;
  if (Math.abs(by) > SWIPE) step(by < 0 ? 1 : -1);
});
viewer?.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), f: heart, d: () => viewer.querySelector("[data-download]").click() };
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
