// Forms that make something: options of the chosen model, the price while you choose, one job per press.

import { newNonce } from "./nonce.js";

const token = document.querySelector("meta[name=csrf-token]").content;
const headers = { "X-Fragment": "1", "X-CSRFToken": token };

function fields(form) {
  const data = new FormData(form);
  for (const [name, value] of [...data]) {
    if (value instanceof File) data.delete(name);
  }
  return data;
}

async function ask(address, form) {
  const answer = await fetch(address, { method: "POST", headers, body: fields(form) });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.text();
}

function followPrice(form) {
  const price = form.querySelector("#price");
  let timer = 0;
  let asked = 0;
  const refresh = async () => {
    const mine = (asked += 1);
    try {
      const html = await ask(form.dataset.estimate, form);
      if (mine === asked) price.innerHTML = html;
    } catch {
      // the price on the page stays; sending the form says what is wrong
    }
  };
  form.addEventListener("input", (event) => {
    if (event.target.matches("[data-options], [type=file]")) return;
    if (event.target.name === "prompt" && !form.dataset.stream) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, 350);
  });
  return refresh;
}

function followModel(form, refreshPrice) {
  const model = form.querySelector("[data-options]");
  const options = form.querySelector("#options");
  model?.addEventListener("change", async () => {
    try {
      options.innerHTML = await ask(model.dataset.options, form);
    } catch {
      // without the new options the api checks the old ones and says what does not fit
    }
    refreshPrice();
  });
}

function oncePerPress(form) {
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", () => {
    button.setAttribute("aria-busy", "true");
    setTimeout(() => { button.disabled = true; });
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    button.disabled = false;
    button.removeAttribute("aria-busy");
    form.elements.nonce.value = newNonce();
  });
}

for (const form of document.querySelectorAll("form[data-estimate]")) followModel(form, followPrice(form));
for (const form of document.querySelectorAll("form[data-make]")) oncePerPress(form);

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("[data-submit-keys]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
