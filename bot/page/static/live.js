// Keeps a page up to date: told of news by server-sent events, it fetches the page's body again and swaps it in.
"use strict";
(() => {
  const light = document.getElementById("live");
  const page = () => document.getElementById("page");
  if (!light || !page() || !page().dataset.events) return;
  let source = null, timer = 0, busy = false, again = false, over = false;

  const say = (words, tone) => {
    if (light.textContent !== words) light.textContent = words;
    light.dataset.tone = tone;
  };

  const swap = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("page");
    const old = page();
    if (!fresh || !old) return;
    for (const details of old.querySelectorAll("details[id]")) {
      const same = fresh.querySelector("#" + CSS.escape(details.id));
      if (same) same.open = details.open;
    }
    for (const field of old.querySelectorAll("select[name]")) {
      const same = fresh.querySelector(`select[name="${CSS.escape(field.name)}"]`);
      if (same) same.value = field.value;
    }
    const at = document.activeElement, path = [];
    for (let node = at; node && node !== old && old.contains(node); node = node.parentElement)
      path.unshift([...node.parentElement.children].indexOf(node));
    old.replaceWith(document.adoptNode(fresh));
    if (path.length && old.contains(at)) {
      let node = page();
      for (const i of path) node = node && node.children[i];
      if (node && node.tagName === at.tagName) node.focus({ preventScroll: true });
    }
  };

  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const url = new URL(location.href);
      url.hash = "";
      url.searchParams.set("fragment", "1");
      const answer = await fetch(url, { credentials: "same-origin", cache: "no-store" });
      if (answer.status === 401) ended();
      else if (answer.ok) swap(await answer.text());
    } catch { say("No connection", "bad"); }
    busy = false;
    if (again) { again = false; refresh(); }
  };

  const close = () => { if (source) source.close(); source = null; clearTimeout(timer); };
  const ended = () => { over = true; close(); say("Signed out: ask the bot for /login", "bad"); };

  const open = () => {
    if (source || over || document.hidden) return;
    source = new EventSource(`${page().dataset.events}?v=${page().dataset.version}`);
    source.onopen = () => say("Live", "good");
    source.addEventListener("changed", refresh);
    source.addEventListener("over", ended);
    source.onerror = () => {
      if (over) return;
      say("Not live, trying again", "wait");
      close();
      // The server may be gone, full, or know us no more: ask for the page, then again for the stream.
      timer = setTimeout(async () => { await refresh(); open(); }, 4000);
    };
  };

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); say("Paused", "wait"); } else { refresh(); open(); }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) { refresh(); open(); } });
  addEventListener("hashchange", reveal);
  setInterval(() => { if (!document.hidden && !over) refresh(); }, 60000); // what is said of spans of time grows old
  reveal();
  open();
})();
