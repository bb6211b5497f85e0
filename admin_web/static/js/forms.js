// Forms that make images and videos: options of the chosen model, the price while choosing, pictures dropped or pasted,
// and the result on the same page.

import { askCost } from "./confirm_dialog.js";
import { follow } from "./live.js";
import { newNonce } from "./nonce.js";

const token = document.querySelector("meta[name=csrf-token]").content;
const headers = { "X-Fragment": "1", "X-CSRFToken": token };

function withoutFiles(form) {
  const data = new FormData(form);
  for (const [name, value] of [...data]) {
    if (value instanceof File) data.delete(name);
  }
  return data;
}

// The session has ended: the typed text is put back into the form after signing in.
const typed = `typed ${location.pathname}`;

export function signInAgain(prompt) {
  sessionStorage.setItem(typed, prompt);
  location.reload();
}

function begin(form) {
  const field = form.elements.prompt;
  if (!field.value) field.value = sessionStorage.getItem(typed) ?? "";
  sessionStorage.removeItem(typed);
  // the keyboard of a phone would cover the results
  if (!matchMedia("(pointer: fine)").matches || document.activeElement !== document.body || /[?&]job=|#/.test(location.href)) return;
  field.focus({ preventScroll: true });
  field.setSelectionRange(field.value.length, field.value.length);
}

async function post(address, body) {
  const answer = await fetch(address, { method: "POST", headers, body });
  if (answer.status === 401) signInAgain(document.getElementById("f-prompt").value);
  return answer;
}

async function fragment(address, body) {
  const answer = await post(address, body);
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.text();
}

export function clear(form) {
  form.querySelector("[data-problem]").replaceChildren();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  for (const words of form.querySelectorAll("small.wrong")) words.remove();
}

// Marks a wrong field with its sentence; false when the form has no such field.
function mark(form, name, words) {
  const held = form.elements[name];
  const field = held instanceof RadioNodeList ? held[0] : held;
  if (!field || field.type === "hidden") return false;
  const said = document.createElement("small");
  said.className = "wrong";
  said.id = `e-${name}`;
  said.textContent = words;
  const place = field.closest(".field, .drop-zone, .switch, fieldset");
  if (place) place.append(said);
  else field.after(said);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", said.id);
  return true;
}

export function complain(form, error, fields = {}) {
  clear(form);
  const elsewhere = Object.entries(fields).filter(([name, words]) => !mark(form, name, words));
  const box = document.createElement("div");
  box.className = "notice notice-error";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = error.message;
  words.append(strong, ` ${[error.hint, ...elsewhere.map(([, said]) => said)].filter(Boolean).join(" ")}`);
  box.append(words);
  form.querySelector("[data-problem]").replaceChildren(box);
  const first = form.querySelector("[aria-invalid]");
  const closed = first?.closest("details");
  if (closed) closed.open = true;
  if (first) first.focus();
  else box.scrollIntoView({ block: "nearest" });
}

function followPrice(form) {
  const price = form.querySelector("#price");
  let timer = 0;
  let asked = 0;
  const refresh = async () => {
    const mine = (asked += 1);
    try {
      const html = await fragment(form.dataset.estimate, withoutFiles(form));
      if (mine === asked) price.innerHTML = html;
    } catch {
      // the price on the page stays; sending the form tells the mistake
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
  const model = form.elements.model;
  const options = form.querySelector("#options");
  const images = form.querySelector("[data-images-only]");
  const last = form.querySelector("[data-last-only]");
  model.addEventListener("change", async () => {
    const takes = Number(model.selectedOptions[0].dataset.images);
    if (images) images.hidden = !takes && !images.querySelector("[name=attached_id]");
    if (last) last.hidden = !("last" in model.selectedOptions[0].dataset);
    try {
      if (options) options.innerHTML = await fragment(model.dataset.options, withoutFiles(form));
    } catch {
      // without the new options the api checks the old ones and refuses those that do not fit
    }
    refreshPrice();
  });
}

// Uploads pictures as soon as they are attached, so that they are visible and no mistake elsewhere loses them.
function attachments(form, changed) {
  const zones = [...form.querySelectorAll("[data-attach]")];
  if (!zones.length) return;
  const chips = (zone) => zone.querySelector("[data-chips]");
  const usable = () => zones.filter((zone) => !zone.closest("[hidden]"));
  const free = () => usable().find((zone) => !chips(zone).children.length) ?? usable()[0];

  async function take(zone, files) {
    if (!zone || !files.length) return;
    const input = zone.querySelector("input[type=file]");
    // a file without a known type is judged by the server, by its bytes
    const fits = (file) => "any" in zone.dataset || !file.type || file.type.startsWith("image/");
    const pictures = [...files].filter(fits);
    const other = [...files].find((file) => !pictures.includes(file));
    if (other) {
      input.value = "";
      complain(form, { message: zone.dataset.notPicture.replace("%", other.name) });
    }
    if (!pictures.length) return;
    const data = new FormData();
    for (const file of pictures) data.append("image", file);
    zone.setAttribute("aria-busy", "true");
    try {
      const answer = await post(zone.dataset.attach, data);
      if (answer.ok) {
        if (!input.multiple) chips(zone).replaceChildren();
        chips(zone).insertAdjacentHTML("beforeend", await answer.text());
        for (const choice of form.querySelectorAll(`[name=${zone.dataset.picks}]`)) choice.checked = !choice.value;
        changed();
      } else complain(form, (await answer.json()).error);
    } finally {
      zone.removeAttribute("aria-busy");
      input.value = "";
    }
  }

  for (const zone of zones) {
    zone.querySelector("input[type=file]").addEventListener("change", (event) => take(zone, event.target.files));
    chips(zone).addEventListener("change", (event) => {
      if (event.target.name !== "remove") return;
      event.target.closest(".chip").remove();
      changed();
    });
  }
  // an earlier image that is picked replaces the one that was attached
  form.addEventListener("change", (event) => {
    const zone = zones.find((one) => one.dataset.picks === event.target.name);
    if (zone) chips(zone).replaceChildren();
  });
  // anywhere on the page: beside the form the browser would open the picture and leave the page
  document.addEventListener("paste", (event) => take(free(), event.clipboardData.files));
  let inside = 0;
  const mark = (step) => {
    inside = Math.max(0, inside + step);
    for (const zone of zones) zone.toggleAttribute("data-over", inside > 0);
  };
  document.addEventListener("dragenter", () => mark(1));
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-inside);
    take(event.target.closest("[data-attach]") ?? free(), event.dataTransfer.files);
  });
}

// Sends the form in the background. The answer is a card that follows its job; the form stays as it is, ready for the next.
function stayHere(form, refreshPrice) {
  const button = form.querySelector(".pay button[type=submit]");
  const results = document.getElementById("results");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.hasAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await make(new FormData(form));
    } catch {
      complain(form, { message: document.body.dataset.offline });
    }
    button.removeAttribute("aria-busy");
  });

  async function make(body) {
    const answer = await post(form.action, body);
    const said = await answer.json();
    if (!said.error) {
      clear(form);
      document.querySelector("[data-empty]")?.remove();
      results.insertAdjacentHTML("afterbegin", said.card);
      follow(results.firstElementChild);
      if (innerWidth < 980) results.scrollIntoView({ behavior: "smooth", block: "start" });
      document.querySelector("[data-balance]").textContent = said.balance;
      form.elements.nonce.value = said.nonce;
      // a reload of the form shows the card again; the first page shows running jobs by itself
      if (location.pathname === new URL(said.here, location).pathname) history.replaceState(null, "", said.here);
      refreshPrice();
    } else if (said.error.code === "confirm_cost" && !body.get("confirm")) {
      if (await askCost(said.error.cost)) {
        body.set("confirm", "true");
        await make(body);
      }
    } else {
      complain(form, said.error, said.fields);
      // the next try counts as the same one only where nobody knows whether the first was done
      if (said.error.code !== "api_unavailable") form.elements.nonce.value = newNonce();
    }
  }
}

for (const form of document.querySelectorAll("form[data-estimate]")) {
  const refreshPrice = followPrice(form);
  begin(form);
  followModel(form, refreshPrice);
  attachments(form, refreshPrice);
  if ("make" in form.dataset) stayHere(form, refreshPrice);
}

for (const link of document.querySelectorAll("[data-keep-prompt]")) {
  link.addEventListener("click", () => {
    const address = new URL(link.href);
    const prompt = document.getElementById("f-prompt").value;
    if (prompt.length < 1500) address.searchParams.set("prompt", prompt);
    link.href = address.href;
  });
}
