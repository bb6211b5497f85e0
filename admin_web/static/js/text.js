// A conversation: the answer streams in below the question, as HTML that the server has cleaned.

import { clear, complain, signInAgain } from "./forms.js";
import { newNonce } from "./nonce.js";

const form = document.getElementById("ask");
const talk = document.getElementById("talk");
const stop = document.getElementById("stop");
const send = form.querySelector(".pay button[type=submit]");
const search = document.querySelector("[data-history]");
const heading = document.querySelector(".chat-head h1");
const menu = document.getElementById("conversation-menu");
const words = form.dataset;
const STOPPED_MS = 1000;

function button(label, act) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "quiet tiny";
  one.textContent = label;
  one.addEventListener("click", act);
  return one;
}

async function copy(source, one) {
  getSelection().selectAllChildren(source);
  // browsers give the clipboard to https pages only; elsewhere the text is selected for Ctrl+C
  if (!navigator.clipboard) return;
  await navigator.clipboard.writeText(source.innerText);
  getSelection().removeAllRanges();
  one.textContent = words.copied;
}

function copyButton(source) {
  const one = button(words.copyWord, () => copy(source, one));
  return one;
}

// Buttons to copy the answer and each piece of its code.
function finish(article) {
  const answer = article.querySelector(".answer");
  if (!answer) return;
  for (const block of answer.querySelectorAll("pre")) {
    const frame = document.createElement("div");
    frame.className = "code";
    block.replaceWith(frame);
    frame.append(copyButton(block), block);
    // a long line scrolls sideways, also by keyboard
    block.tabIndex = 0;
  }
  if (answer.childNodes.length) article.querySelector("footer").append(copyButton(answer));
}

// Puts the question back into its field, to be asked once more or in other words.
function askable(article) {
  const text = article.querySelector(".message-text").textContent;
  const footer = document.createElement("footer");
  footer.append(
    button(words.againWord, () => {
      form.elements.prompt.value = text;
      form.elements.prompt.focus();
    }),
  );
  article.append(footer);
}

function message(role) {
  const article = document.createElement("article");
  article.className = `message message-${role}`;
  talk.append(article);
  return article;
}

function question(text) {
  const body = document.createElement("p");
  body.className = "message-text";
  body.dir = "auto";
  body.textContent = text;
  const article = message("user");
  const chips = [...form.querySelectorAll(".chip:has(img)")];
  const files = [...form.querySelectorAll(".chip-file")];
  if (files.length) {
    const list = document.createElement("ul");
    list.className = "message-files";
    list.append(...files.map(named));
    article.append(list);
  }
  if (chips.length) {
    const pictures = document.createElement("div");
    pictures.className = "message-pictures";
    pictures.append(...chips.map(opened));
    article.append(pictures);
  }
  article.append(body);
  askable(article);
  return article;
}

// An attached picture as the conversation shows it: it opens on its own.
function opened(chip) {
  const link = document.createElement("a");
  const picture = chip.querySelector("img").cloneNode();
  picture.alt = chip.querySelector("span").textContent;
  Object.assign(link, { href: picture.src, target: "_blank", rel: "noopener" });
  link.append(picture);
  return link;
}

// An attached file by its name; the page has a link to it when it is loaded the next time.
function named(chip) {
  const line = document.createElement("li");
  const name = document.createElement("span");
  name.dir = "auto";
  name.textContent = chip.querySelector("span").textContent;
  line.append(chip.querySelector(".icon").cloneNode(true), name);
  return line;
}

function emptyAnswer() {
  const article = message("assistant");
  const answer = document.createElement("div");
  answer.className = "answer";
  const ending = document.createElement("div");
  ending.className = "ending";
  const footer = document.createElement("footer");
  footer.className = "muted";
  footer.append(document.createElement("span"));
  article.append(answer, ending, footer);
  article.setAttribute("aria-busy", "true");
  return { article, answer, ending, note: footer.firstElementChild };
}

// One block of a server-sent stream: its event name and its data.
function parse(block) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  return data.length ? { name, data: JSON.parse(data.join("\n")) } : null;
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    let end;
    while ((end = held.indexOf("\n\n")) >= 0) {
      const event = parse(held.slice(0, end));
      held = held.slice(end + 2);
      if (event) yield event;
    }
  }
}

function nearEnd() {
  return innerHeight + scrollY > document.documentElement.scrollHeight - 220;
}

async function listAgain() {
  const address = new URL(search.dataset.history, location);
  address.searchParams.set("q", search.value);
  address.searchParams.set("conversation", form.elements.conversation_id.value);
  const answer = await fetch(address, { headers: { "X-Fragment": "1" } });
  if (answer.ok) document.getElementById("conversations").innerHTML = await answer.text();
}

// The money held for the answer is free again, so the price beside the form shows a new balance.
function settled(balance) {
  if (balance) document.querySelector("[data-balance]").textContent = balance;
  form.elements.prompt.dispatchEvent(new Event("input", { bubbles: true }));
}

async function read(stream, signal, shown) {
  const { article, answer, ending, note } = shown;
  let told = null;
  try {
    for await (const { name, data } of events(stream)) {
      const follow = nearEnd();
      if (name === "start") {
        shown.id = data.id;
        if (form.elements.conversation_id.value !== data.conversation_id) form.elements.unsure.value = "1";
        form.elements.conversation_id.value = data.conversation_id;
      } else if (name === "thinking") {
        answer.innerHTML = data.html;
        note.textContent = words.thinking;
      } else {
        note.textContent = "";
        // not before something is written: until then there is no conversation to come back to
        const here = `${words.show}?conversation=${encodeURIComponent(form.elements.conversation_id.value)}`;
        if (location.pathname + location.search !== here) history.replaceState(null, "", here);
        answer.innerHTML = data.html;
      }
      if (name === "done") {
        form.elements.unsure.value = "";
        told = data.note;
        ending.innerHTML = data.ending;
        settled(data.balance);
      } else if (name === "error") {
        told = words.stays;
        complain(form, data);
        settled(data.balance);
      }
      if (follow) article.scrollIntoView({ block: "end" });
    }
  } finally {
    const follow = nearEnd();
    note.textContent = signal.aborted ? words.stopped : (told ?? words.cut);
    if (told === null) end(shown);
    article.removeAttribute("aria-busy");
    if (told === words.stays && !answer.childNodes.length) article.remove();
    else finish(article);
    if (follow) article.scrollIntoView({ block: "end" });
  }
}

// Asks for the cost of a stopped or cut answer: the server notices only at its next word that nobody reads any more.
async function end({ id, note }) {
  if (!id) return;
  const headers = { "X-Fragment": "1", "X-CSRFToken": form.elements.csrf_token.value };
  const answer = await fetch(words.end.replace("ID", id), { method: "POST", headers }).catch(() => null);
  if (!answer?.ok) return;
  const said = await answer.json();
  note.textContent = `${note.textContent} ${said.note}`.trim();
  settled(said.balance);
}

// A new conversation can be renamed and deleted as soon as it has a message.
function begun() {
  for (const one of menu.querySelectorAll("form")) one.action = one.dataset.of.replace("ID", form.elements.conversation_id.value);
  if (menu.hidden) menu.querySelector("[name=title]").value = heading.textContent;
  menu.hidden = false;
}

// Shows the question in the conversation at once; if it cannot be asked, it goes back into its field.
async function answerTo(prompt, signal) {
  const body = new FormData(form);
  const headers = { "X-Fragment": "1", "X-CSRFToken": body.get("csrf_token") };
  const asked = question(prompt);
  const shown = emptyAnswer();
  shown.article.scrollIntoView({ block: "end" });
  form.elements.prompt.value = "";
  let answer;
  try {
    answer = await fetch(words.stream, { method: "POST", body, signal, headers });
    if (answer.status === 401) signInAgain(prompt);
    else if (!answer.ok) {
      const said = await answer.json();
      complain(form, said.error, said.fields);
      // the next try counts as the same one only where nobody knows whether the first was done
      if (said.error.code !== "api_unavailable") form.elements.nonce.value = newNonce();
    }
  } finally {
    if (!answer?.ok && !signal.aborted) {
      asked.remove();
      shown.article.remove();
      form.elements.prompt.value = prompt;
    } else if (!answer) {
      shown.note.textContent = words.stopped;
      shown.article.removeAttribute("aria-busy");
    }
  }
  if (!answer.ok) return;
  form.elements.nonce.value = newNonce();
  form.querySelector("[data-chips]").replaceChildren();
  if (menu.hidden) heading.textContent = prompt.slice(0, 80);
  try {
    await read(answer.body, signal, shown);
  } finally {
    if (shown.answer.childNodes.length || shown.ending.children.length) begun();
    // a first answer without a word leaves no conversation to go on with
    else if (form.elements.unsure.value) form.elements.conversation_id.value = form.elements.unsure.value = "";
    // a stopped answer is stored a moment later
    if (!document.querySelector("#conversations [aria-current]")) setTimeout(listAgain, signal.aborted ? STOPPED_MS : 0);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const prompt = form.elements.prompt.value.trim();
  if (form.hasAttribute("aria-busy") || !prompt) return;
  clear(form);
  form.setAttribute("aria-busy", "true");
  send.hidden = true;
  stop.hidden = false;
  const control = new AbortController();
  stop.onclick = () => control.abort();
  try {
    await answerTo(prompt, control.signal);
  } catch (error) {
    if (error.name === "AbortError") form.elements.nonce.value = newNonce();
    else complain(form, { message: document.body.dataset.offline });
  } finally {
    form.removeAttribute("aria-busy");
    send.hidden = false;
    stop.hidden = true;
    // not on a phone, where the keyboard would cover the answer
    if (matchMedia("(pointer: fine)").matches) form.elements.prompt.focus();
  }
});

// Continues an answer that was cut at its limit, as a question of its own.
talk.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-go-on]")) return;
  event.preventDefault();
  if (form.hasAttribute("aria-busy")) return;
  const { after, prompt } = event.target.elements;
  const draft = form.elements.prompt.value;
  form.elements.after.value = after.value;
  form.elements.prompt.value = prompt.value;
  event.target.remove();
  form.requestSubmit();
  form.elements.after.value = "";
  form.elements.prompt.value = draft;
});

// Enter sends where there is a real keyboard; Shift+Enter makes a new line.
form.elements.prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || !matchMedia("(pointer: fine)").matches) return;
  event.preventDefault();
  form.requestSubmit();
});

for (const starter of document.querySelectorAll("[data-starter]")) {
  starter.addEventListener("click", () => {
    form.elements.prompt.value = starter.textContent;
    form.elements.prompt.focus();
  });
}

let timer = 0;
search.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(listAgain, 250);
});

for (const article of document.querySelectorAll(".message-assistant")) finish(article);
for (const article of document.querySelectorAll(".message-user")) askable(article);
document.getElementById("latest")?.scrollIntoView({ block: "nearest" });
