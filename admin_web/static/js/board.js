// Admin tables that keep themselves up to date: an element with data-board is filled from that address every `data-every` seconds,
// but not while somebody works in it.

const EVERY = 4;
const SLOWEST = 30000;

function busy(place) {
  return place.querySelector("details[open]") || place.querySelector(":focus") || !getSelection().isCollapsed;
}

function follow(place) {
  const every = 1000 * (place.dataset.every || EVERY);
  let wait = every;

  async function refresh() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", refresh, { once: true });
      return;
    }
    try {
      if (!busy(place)) await fill();
      wait = every;
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
    }
    setTimeout(refresh, wait);
  }

  async function fill() {
    const answer = await fetch(place.dataset.board, { headers: { "X-Fragment": "1" } });
    if (answer.status === 401 || answer.status === 403) location.reload();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const html = await answer.text();
    if (!busy(place)) place.innerHTML = html;
  }

  setTimeout(refresh, wait);
}

for (const place of document.querySelectorAll("[data-board]")) follow(place);

// on a phone the menu is a strip, which is scrolled to the entry of this page
const strip = document.querySelector(".office-menu");
const here = strip?.querySelector("[aria-current]");
if (here) strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
