// The answer streams in below the question. Everything is set as text, never as markup: it was written by a model.

import { newNonce } from "./nonce.js";

const form = document.getElementById("ask");
const talk = document.getElementById("talk");
const problem = document.getElementById("problem");
const stop = document.getElementById("stop");
const send = form.querySelector("button[type=submit]");

function message(role, text) {
  const article = document.createElement("article");
  article.className = `message message-${role}`;
  const body = document.createElement("p");
  body.className = "message-text";
  body.textContent = text;
  article.append(body);
  document.getElementById("talk-empty")?.remove();
  talk.append(article);
  return article;
}

function complain(error) {
  const box = document.createElement("div");
  box.className = "notice notice-error";
  box.setAttribute("role", "alert");
  const words = document.createElement("p");
  const strong = document.createElement("strong");
  strong.textContent = error.message;
  words.append(strong, error.hint ? ` ${error.hint}` : "");
  box.append(words);
  problem.replaceChildren(box);
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
    held = (held + value).replaceAll("\r\n", "\n");
    let end;
    while ((end = held.indexOf("\n\n")) >= 0) {
      const event = parse(held.slice(0, end));
      held = held.slice(end + 2);
      if (event) yield event;
    }
  }
}

function nearEnd() {
  return innerHeight + scrollY > document.documentElement.scrollHeight - 160;
}

async function answerTo(prompt, body, signal) {
  const answer = await fetch(form.dataset.stream, {
    method: "POST",
    body,
    signal,
    headers: { "X-Fragment": "1", "X-CSRFToken": body.get("csrf_token") },
  });
  if (answer.status === 401) {
    location.reload();
    return false;
  }
  if (!answer.ok) {
    const { error } = await answer.json();
    complain(error);
    // only where it is not known whether it was done must the next try count as the same
    return error.code !== "api_unavailable";
  }
  message("user", prompt);
  form.elements.prompt.value = "";
  const article = message("assistant", "");
  article.setAttribute("aria-busy", "true");
  const text = article.querySelector(".message-text");
  const footer = document.createElement("footer");
  footer.className = "muted";
  let complete = false;
  try {
    for await (const { name, data } of events(answer.body)) {
      const follow = nearEnd();
      if (name === "start") {
        form.elements.conversation_id.value = data.conversation_id;
        history.replaceState(null, "", `${form.dataset.show}?conversation=${encodeURIComponent(data.conversation_id)}`);
      } else if (name === "delta") {
        text.textContent += data.text;
      } else if (name === "done") {
        complete = true;
        text.textContent = data.answer.text;
        footer.textContent = `${data.answer.model} · $${Number(data.answer.cost_usd).toFixed(4)}${data.answer.sandbox ? " · sandbox" : ""}`;
        article.append(footer);
      } else if (name === "error") {
        complete = true;
        complain({ message: data.error.message, hint: "What was written so far stays." });
      }
      if (follow) article.scrollIntoView({ block: "end" });
    }
  } finally {
    article.removeAttribute("aria-busy");
    if (!complete) footer.textContent = signal.aborted ? "Stopped." : "The connection was cut here.";
    if (!complete) article.append(footer);
  }
  return true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (form.hasAttribute("aria-busy")) return;
  const prompt = form.elements.prompt.value.trim();
  if (!prompt) return;
  problem.replaceChildren();
  form.setAttribute("aria-busy", "true");
  send.hidden = true;
  stop.hidden = false;
  const control = new AbortController();
  stop.onclick = () => control.abort();
  try {
    const sent = await answerTo(prompt, new FormData(form), control.signal);
    if (sent) form.elements.nonce.value = newNonce();
  } catch (error) {
    if (error.name !== "AbortError") complain({ message: "The connection was lost.", hint: "Your question is still here; send it again in a moment." });
  } finally {
    form.removeAttribute("aria-busy");
    send.hidden = false;
    stop.hidden = true;
    form.elements.prompt.focus();
  }
});
