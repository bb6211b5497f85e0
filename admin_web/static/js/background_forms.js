// Buttons that act at once: the form is sent in the background and the page follows the answer. Without scripts the same form
// works as a page. `data-sure`: what to ask before; `data-yes`: what stands on the button then.

import { ask, askCost, toast } from "./confirm_dialog.js";

const token = document.querySelector("meta[name=csrf-token]").content;

// Returns the answer's JSON, or null when the person declined or it did not work, which is shown then.
export async function send(address, body) {
  body.set("csrf_token", token);
  let answer;
  try {
    answer = await fetch(address, { method: "POST", body, headers: { "X-Fragment": "1" } });
  } catch {
    toast(document.body.dataset.offline, "error");
    return null;
  }
  if (answer.status === 401) {
    location.reload();
    return null;
  }
  const said = await answer.json();
  if (!said.error) return said;
  if (said.error.code === "confirm_cost" && !body.get("confirm") && (await askCost(said.error.cost))) {
    body.set("confirm", "true");
    return send(address, body);
  }
  if (said.error.code !== "confirm_cost") toast(`${said.error.message} ${said.error.hint}`.trim(), "error");
  return null;
}

// Replaces a part of the page. The keyboard focus stays on the same button, or moves to its successor.
function replace(part, html, label) {
  const list = part.parentElement;
  const neighbour = part.nextElementSibling ?? part.previousElementSibling;
  part.insertAdjacentHTML("beforebegin", html);
  const fresh = html ? part.previousElementSibling : neighbour;
  part.remove();
  if (!list.children.length) location.reload();
  const buttons = [...(fresh?.querySelectorAll("button") ?? [])];
  (buttons.find((one) => one.textContent === label) ?? buttons[0])?.focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-act]")) return;
  event.preventDefault();
  if (form.dataset.sure && !(await ask(form.dataset.sure, form.dataset.yes, true))) return;
  const body = new FormData(form, event.submitter);
  body.set("sure", "yes");
  const button = event.submitter ?? form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  const said = await send(form.action, body);
  button.removeAttribute("aria-busy");
  if (!said) return;
  if (said.go) {
    location.assign(said.go);
    return;
  }
  if (said.toast) toast(said.toast, "success");
  if (said.html !== undefined) replace(form.closest("[data-part]"), said.html, button.textContent);
  form.closest("[data-live]")?.dispatchEvent(new Event("changed"));
});
