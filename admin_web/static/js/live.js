// Keeps a part of the page up to date while something runs: an element with data-live is filled from that address
// for as long as what it shows contains [data-running].

const EVERY = 1000;
const SLOWEST = 8000;

function follow(place) {
  let wait = EVERY;

  async function refresh() {
    if (document.hidden) {
      document.addEventListener("visibilitychange", refresh, { once: true });
      return;
    }
    try {
      const answer = await fetch(place.dataset.live, { headers: { "X-Fragment": "1" } });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.text());
      wait = EVERY;
    } catch {
      wait = Math.min(wait * 2, SLOWEST);
    }
    next();
  }

  function show(html) {
    const busy = place.contains(document.activeElement) && document.activeElement !== document.body;
    const label = busy ? document.activeElement.textContent : null;
    place.innerHTML = html;
    const paid = place.querySelector("[data-balance-now]");
    const balance = document.querySelector("[data-balance]");
    if (paid && balance) balance.textContent = paid.dataset.balanceNow;
    if (label) [...place.querySelectorAll("button, a")].find((one) => one.textContent === label)?.focus();
  }

  function next() {
    if (place.querySelector("[data-running]")) setTimeout(refresh, wait);
  }

  next();
}

for (const place of document.querySelectorAll("[data-live]")) follow(place);
