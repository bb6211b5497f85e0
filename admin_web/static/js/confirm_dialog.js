// A question before an act that costs or cannot be undone, and messages at the edge of the page.

const dialog = document.getElementById("ask-dialog");

// Resolves to true when the person says yes. `sentence` tells the consequence, `yes` is the word on the button.
export function ask(sentence, yes, danger = false) {
  dialog.querySelector("[data-sentence]").textContent = sentence;
  const button = dialog.querySelector("[value=yes]");
  button.textContent = yes;
  button.classList.toggle("danger-button", danger);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}

export function askCost(cost) {
  return ask(dialog.dataset.cost.replace("%", cost), dialog.dataset.costYes);
}

export function toast(sentence, kind = "info") {
  const one = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  one.classList.add(`toast-${kind}`);
  one.querySelector("p").textContent = sentence;
  document.querySelector(".toasts").append(one);
  setTimeout(() => one.remove(), kind === "error" ? 12000 : 6000);
}
