// Keeps a part of the page up to date while something runs: an element with data-live is filled from that address
// for as long as it contains [data-running].

const FIRST = 1000;
const LATER = 2500;
const EARLY_ROUNDS = 20;
const SLOWEST = 8000;

export function follow(place) {
  let rounds = 0;
  let failures = 0;

  async function refresh() {
    if (!place.isConnected) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", refresh, { once: true });
      return;
    }
    rounds += 1;
    try {
      const answer = await fetch(place.dataset.live, { headers: { "X-Fragment": "1" } });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.text());
      failures = 0;
    } catch {
      failures += 1;
    }
    next();
  }

  function show(html) {
    const held = place.contains(document.activeElement) ? document.activeElement : null;
    const label = held?.textContent;
    place.innerHTML = html;
    const paid = place.querySelector("[data-balance-now]");
    const balance = document.querySelector("[data-balance]");
    if (paid && balance) balance.textContent = paid.dataset.balanceNow;
    if (!held) return;
    // the focused button may be gone, as "Cancel" is in the end: the focus then moves to the top of the new content
    place.tabIndex = -1;
    ([...place.querySelectorAll("button, a")].find((one) => one.textContent === label) ?? place).focus({ preventScroll: true });
  }

  function next() {
    const wait = rounds < EARLY_ROUNDS ? FIRST : LATER;
    if (place.querySelector("[data-running]")) setTimeout(refresh, Math.min(wait * 2 ** failures, SLOWEST));
  }

  // a button in it has changed something: show it at once
  place.addEventListener("changed", refresh);
  next();
}

for (const place of document.querySelectorAll("[data-live]")) follow(place);
