// Inspect: buttons that ask for something else, the history as a list that is edited in place, titles found while typed.
(() => {
  const WAIT = 350;

  // One question at a time, in their order: of those that wait Gradio would keep only the last. A newer one of the same
  // kind takes the place of the one that waits.
  const PATIENCE = 15000;  // an answer that a broken connection has lost does not hold up the next question for ever
  const waiting = [];
  let sent = null;
  let lost = null;
  const ask = (action) => {
    const kind = (other) => Object.keys(other).sort().join();
    const same = waiting.findIndex((other) => kind(other) === kind(action));
    if (same >= 0) waiting[same] = action; else waiting.push(action);
    send();
  };
  const send = () => {
    if (sent || !waiting.length) return;
    sent = waiting.shift();
    lost = setTimeout(answered, PATIENCE);
    document.dispatchEvent(new CustomEvent("delrec-ask", { detail: sent }));
  };
  const answered = () => {
    clearTimeout(lost);
    if (sent && sent.titles && sent.titles === edited) edited = null;
    sent = null;
    send();
  };

  // The address follows what is shown; edits replace it, so that Back leads to the view before.
  const KEPT = ["demo", "__theme"];
  let first = true;
  window.delrecAnswered = (address) => {
    if (address) follow(address);
    answered();
  };
  const follow = (address) => {
    const url = new URL(address, window.location.href);
    const old = new URLSearchParams(window.location.search);
    KEPT.forEach((name) => { if (old.has(name)) url.searchParams.set(name, old.get(name)); });
    const href = url.href.replaceAll("%3B", ";").replaceAll("%3A", ":");
    if (href === window.location.href) { first = false; return; }
    const titles = new URLSearchParams(url.search).get("titles");
    const edit = first || (titles !== null && old.get("titles") !== null);
    first = false;
    window.history[edit ? "replaceState" : "pushState"](null, "", href);
  };
  window.addEventListener("popstate", () => {
    if (document.getElementById("ask-relay")) ask({ address: window.location.search });
  });

  // The list of titles. What stands in the page is changed at once, what is asked follows a moment later. Until that is
  // answered the edits are kept here: an answer to something else may draw the list as it was.
  const list = () => document.querySelector("#inspect-history [data-history]");
  const titles = () => [...(list() ? list().children : [])].map((card) => card.dataset.entry);
  let timer = null;
  let edited = null;
  let focused = null;
  const change = (next) => {
    edited = next;
    clearTimeout(timer);
    timer = setTimeout(() => ask({ titles: next }), WAIT);
  };
  const current = () => edited || titles();
  // Where the title of a card stands in the edited list, -1 if it does no longer: titles may come twice.
  const position = (card) => {
    const { entry } = card.dataset;
    const before = [...card.parentElement.children].filter((other) => other.dataset.entry === entry).indexOf(card);
    return current().map((one, place) => (one === entry ? place : -1)).filter((place) => place >= 0)[before] ?? -1;
  };
  const move = (card, by) => {
    const next = [...current()];
    const at = position(card);
    if (at < 0 || at + by < 0 || at + by >= next.length) return;
    [next[at], next[at + by]] = [next[at + by], next[at]];
    if (by < 0) card.previousElementSibling?.before(card); else card.nextElementSibling?.after(card);
    change(next);
  };
  const put = (entry, place) => {
    const next = [...current()];
    if (place === null || place < 0) next.push(entry); else next[place] = entry;
    change(next);
  };
  let replacing = null;
  const replace = (card) => {
    replacing = position(card);
    const field = document.getElementById("inspect-add");
    if (!field) return;
    document.querySelector('label[for="inspect-add"]').textContent = `Replace “${card.querySelector("b").textContent}” by`;
    field.focus();
    field.scrollIntoView({ block: "nearest" });
  };
  const stopReplacing = () => {
    replacing = null;
    const label = document.querySelector('label[for="inspect-add"]');
    if (label) label.textContent = "Add a title";
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    const asker = target.closest("[data-ask]");
    if (asker) {
      ask(JSON.parse(asker.dataset.ask));
      return;
    }
    const fold = target.closest("[data-ask-open] > summary")?.parentElement;
    if (fold) {
      // Not its toggle event, which comes later and is lost where an answer has drawn the fold anew by then.
      ask(JSON.parse(fold.open ? fold.dataset.askClose : fold.dataset.askOpen));
      return;
    }
    const editor = target.closest("[data-edit]");
    if (editor) {
      const card = editor.closest("[data-entry]");
      focused = { edit: editor.dataset.edit, entry: card.dataset.entry };
      if (editor.dataset.edit === "up") move(card, -1);
      if (editor.dataset.edit === "down") move(card, 1);
      if (editor.dataset.edit === "replace") replace(card);
      if (editor.dataset.edit === "with" && position(card) >= 0) put(editor.dataset.with, position(card));
      if (editor.dataset.edit === "remove") {
        const neighbour = card.nextElementSibling || card.previousElementSibling;
        focused = neighbour ? { edit: "remove", entry: neighbour.dataset.entry } : null;
        const at = position(card);
        if (at >= 0) change(current().filter((_, place) => place !== at));
        card.remove();
      }
      if (editor.isConnected && ["up", "down"].includes(editor.dataset.edit)) editor.focus();
      return;
    }
    const option = target.closest(".dr-found [role=option]");
    if (option) take(document.querySelector(`[aria-controls="${option.parentElement.id}"]`), option.dataset.reference);
    const copier = target.closest("[data-copy-address]");
    if (copier) {
      navigator.clipboard.writeText(window.location.href).then(() => {
        copier.textContent = "Copied";
        setTimeout(() => { copier.textContent = "Copy the address"; }, 1500);
      });
    }
  });

  // A choice asks by its name: <select data-ask-value="rival">.
  document.addEventListener("change", (event) => {
    const name = event.target instanceof HTMLSelectElement && event.target.dataset.askValue;
    if (name) ask({ [name]: event.target.value });
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const handled = ["userForm", "pasteForm", "wordsForm"].find((name) => name in form.dataset);
    if (!handled) return;
    event.preventDefault();
    const values = new FormData(form);
    if (handled === "userForm" && values.get("user").trim()) ask({ user: values.get("user").trim(), group: "" });
    if (handled === "pasteForm" && values.get("text").trim()) ask({ text: values.get("text"), own: true });
    if (handled === "wordsForm") ask({ words: values.get("adapter") ? "adapter" : "base", prompt: values.get("prompt") });
  });

  // Cards are dragged to another place; the buttons do the same by keyboard. An answer that arrives meanwhile draws
  // the cards anew: the drag goes on with the new card, and what it came to is kept outside the cards.
  let dragged = null;
  let order = null;
  // The edited list in the order of the cards; what has no card yet comes last.
  const arranged = (shown) => {
    const left = [...current()];
    const placed = shown.filter((entry) => left.includes(entry) && left.splice(left.indexOf(entry), 1));
    return [...placed, ...left];
  };
  document.addEventListener("dragstart", (event) => {
    dragged = event.target instanceof Element ? event.target.closest(".dr-title-card[draggable]") : null;
    order = null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    dragged.classList.add("dr-dragged");
    dragged.addEventListener("dragend", () => {
      dragged.classList.remove("dr-dragged");
      dragged = null;
      if (order) change(arranged(order));
    }, { once: true });
  });
  document.addEventListener("dragover", (event) => {
    const card = dragged && event.target instanceof Element && event.target.closest(".dr-title-card");
    if (!card) return;
    event.preventDefault();
    if (!dragged.isConnected) {
      const { entry } = dragged.dataset;
      dragged = [...card.parentElement.children].find((other) => other.dataset.entry === entry) || dragged;
      dragged.classList.add("dr-dragged");
    }
    if (card === dragged) return;
    const box = card.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) card.before(dragged); else card.after(dragged);
    order = titles();
  });

  // Fields that find titles while they are typed: <input data-titles="add"> adds one, data-titles="why" asks about one.
  let searching = null;
  let turn = 0;
  const finder = (node) => (node instanceof HTMLInputElement && "titles" in node.dataset ? node : null);
  const found = (field) => document.getElementById(field.getAttribute("aria-controls"));
  const close = (field) => {
    const box = found(field);
    if (!box) return;
    box.hidden = true;
    box.replaceChildren();
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  // What is picked comes as a reference to the very item; only what was typed goes as text.
  const take = (field, entry) => {
    const text = (entry || "").trim();
    if (!text) return;
    if (field.dataset.titles === "why") ask({ why: text }); else put(text, replacing);
    field.value = "";
    stopReplacing();
    close(field);
  };
  const show = (field, entries) => {
    const box = found(field);
    if (!box) return;
    box.replaceChildren(...entries.map((entry, number) => {
      const option = document.createElement("li");
      option.id = `${box.id}-${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      option.dataset.reference = entry.reference;
      option.append(entry.title);
      const small = document.createElement("small");
      small.textContent = entry.genres.join(" · ");
      option.append(small);
      return option;
    }));
    box.hidden = entries.length === 0;
    field.setAttribute("aria-expanded", String(entries.length > 0));
  };
  const search = async (field) => {
    turn += 1;
    const mine = turn;
    const query = new URLSearchParams({ run: field.dataset.run, q: field.value });
    const answer = await fetch(`./-/titles?${query}`).catch(() => null);
    if (answer && answer.ok && mine === turn) show(field, await answer.json());
  };
  document.addEventListener("input", (event) => {
    const field = finder(event.target);
    if (!field) return;
    clearTimeout(searching);
    turn += 1;
    if (!field.value.trim()) { close(field); return; }
    searching = setTimeout(() => search(field), 120);
  });
  document.addEventListener("keydown", async (event) => {
    const field = finder(event.target);
    if (!field) return;
    const options = [...found(field).children];
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!options.length) return;
      event.preventDefault();
      const next = (at + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
      options.forEach((option, number) => option.setAttribute("aria-selected", String(number === next)));
      field.setAttribute("aria-activedescendant", options[next].id);
      options[next].scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      clearTimeout(searching);
      if (field.dataset.titles === "why" && at < 0) {  // only items can be asked about: the best that was found
        await search(field);
        take(field, found(field).firstElementChild?.dataset.reference || field.value);
      } else {
        take(field, at >= 0 ? options[at].dataset.reference : field.value);
      }
    } else if (event.key === "Escape") {
      close(field);
      stopReplacing();
    }
  });
  document.addEventListener("focusout", (event) => {
    const field = finder(event.target);
    if (field) setTimeout(() => { if (document.activeElement !== field) close(field); }, 200);
  });

  // The list is drawn anew with each answer; whoever works by keyboard stays where she was.
  new MutationObserver(() => {
    if (!focused || document.activeElement !== document.body) return;
    const card = [...(list() ? list().children : [])].find((one) => one.dataset.entry === focused.entry);
    const again = card && card.querySelector(`[data-edit="${focused.edit}"]`);
    if (again) again.focus({ preventScroll: true });
  }).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("pointerdown", () => { focused = null; }, true);
  document.addEventListener("focusin", (event) => { if (!event.target.closest("[data-edit]")) focused = null; });
})();
