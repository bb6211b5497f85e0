// Behaviour of every page: menus that close, light and dark, messages that go away, copying, and the focus after a mistake.

import { toast } from "./confirm_dialog.js";

const menus = () => document.querySelectorAll("details[data-menu][open]");

document.addEventListener("click", (event) => {
  for (const menu of menus()) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `theme=${root.dataset.theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
});

document.addEventListener("click", async (event) => {
  const close = event.target.closest("[data-close]");
  if (close) close.closest(".toast").remove();
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    getSelection().selectAllChildren(source);
    // browsers give the clipboard to https pages only; elsewhere the text is selected for Ctrl+C
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(source.textContent);
      getSelection().removeAllRanges();
      copy.lastChild.textContent = copy.dataset.done ?? "Copied";
    }
  }
});

// Says that a pasted text was cut: a field takes the part that fits and drops the rest in silence.
document.addEventListener("beforeinput", (event) => {
  const field = event.target;
  if (!["insertFromPaste", "insertFromDrop"].includes(event.inputType) || !(field.maxLength >= 0) || event.data === null) return;
  const replaced = field.selectionEnd - field.selectionStart;
  if (field.value.length - replaced + event.data.length > field.maxLength) toast(document.body.dataset.cut.replace("%", field.maxLength));
});

// Ctrl+Enter sends a form from a field of several lines.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("[data-submit-keys]")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});

// Moves the focus to the first wrong field of a form that came back.
const wrong = document.querySelector("main [aria-invalid=true]");
const complaint = document.querySelector("main [role=alert]");
if (wrong) {
  const closed = wrong.closest("details");
  if (closed) closed.open = true;
  wrong.focus();
} else if (complaint && !document.querySelector("main [autofocus]")) {
  complaint.tabIndex = -1;
  complaint.focus();
}

for (const toast of document.querySelectorAll("[data-toast]:not(.toast-error)")) {
  setTimeout(() => toast.remove(), 7000);
}

// The server writes times in the zone of the browser, unless the profile names another.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.includes(`tz=${zone}`)) {
  document.cookie = `tz=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${location.protocol === "https:" ? "; Secure" : ""}`;
}
