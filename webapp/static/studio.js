// The app's only own script: links keep ?demo=1, the theme can be switched, code can be copied, runs can be picked.
(() => {
  const here = () => new URLSearchParams(window.location.search);
  const stored = window.localStorage.getItem("delrec-theme");
  const dark = (on) => document.body && document.body.classList.toggle("dark", on);
  const wanted = () => {
    const choice = here().get("__theme") || stored;
    return choice ? choice === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  };
  document.addEventListener("DOMContentLoaded", () => dark(wanted()));

  // Fields that the first answer fills show once it is there: nothing that is entered before would be drawn over.
  document.documentElement.classList.add("dr-opening");
  window.delrecOpened = () => requestAnimationFrame(() => document.documentElement.classList.remove("dr-opening"));
  setTimeout(window.delrecOpened, 15_000);  // should the answer be lost
  document.addEventListener("click", (event) => {
    const switcher = event.target.closest("[data-theme-switch]");
    if (switcher) {
      const on = !document.body.classList.contains("dark");
      dark(on);
      window.localStorage.setItem("delrec-theme", on ? "dark" : "light");
      return;
    }
    const tab = event.target.closest("#launch-tabs [data-tab-id]");
    if (tab) {
      window.delrecAddress({ view: tab.dataset.tabId === "settings" ? "" : tab.dataset.tabId });
      return;
    }
    const copier = event.target.closest("[data-copy]");
    if (copier) {
      const text = copier.parentElement.querySelector("code").textContent;
      navigator.clipboard.writeText(text).then(() => {
        copier.textContent = "Copied";
        setTimeout(() => { copier.textContent = "Copy"; }, 1500);
      });
      return;
    }
    const link = event.target.closest("a[href]");
    if (link && link.getAttribute("aria-disabled") === "true") {
      event.preventDefault();
      return;
    }
    if (link && here().get("demo") === "1" && link.origin === window.location.origin) {
      const url = new URL(link.href);
      url.searchParams.set("demo", "1");
      link.href = url.href;
    }
  });

  // A part that is drawn anew while a button in it is held down: the press counts for its twin that stands there now.
  let held = null;
  const pressable = (event) => (event.target instanceof Element ? event.target.closest("button, summary, a[href]") : null);
  document.addEventListener("pointerdown", (event) => { held = event.button === 0 ? pressable(event) : null; }, true);
  document.addEventListener("pointerup", (event) => {
    const now = pressable(event);
    if (held && now && !held.isConnected && now.outerHTML === held.outerHTML) now.click();
    held = null;
  }, true);

  // One event of a page at a time, in their order: each is answered by a request of its own, and an answer to an earlier
  // one that came later would draw the page as it was before. What the queue works on joins it in the same order, and is
  // not waited for.
  const PATIENCE = 15_000;  // an answer that a broken connection has lost does not hold up the page for ever
  const send = window.fetch.bind(window);
  let before = Promise.resolve();
  window.fetch = (target, options) => {
    if (!/\/gradio_api\/(run\/|queue\/join)/.test(target.url || target)) return send(target, options);
    const answer = before.then(() => send(target, options));
    const read = answer.then((response) => response.clone().arrayBuffer()).catch(() => null);
    before = Promise.race([read, before.then(() => new Promise((resolve) => { setTimeout(resolve, PATIENCE); }))]);
    return answer;
  };

  // What somebody types stays. A late answer or a tab that opens for the first time sets its fields anew; that counts
  // only once she has pressed something since she typed. A field that is drawn anew is known by its id.
  const PRESSED = "button, summary, label, select, a[href], [role=option], [role=tab], [type=checkbox], [type=radio]";
  const typed = new Map();
  const written = (field) => field instanceof HTMLTextAreaElement
    || (field instanceof HTMLInputElement && field.selectionStart !== undefined
      && !["checkbox", "radio", "range", "file", "button", "submit"].includes(field.type));
  const setText = (field, text) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const keep = () => typed.forEach(({ text, focused }, field) => {
    const now = field.isConnected ? field : field.id && document.getElementById(field.id);
    if (!now || now.value === text) return;
    const place = field.selectionEnd;
    setText(now, text);
    if (focused && document.activeElement === document.body) now.focus({ preventScroll: true });
    if (document.activeElement === now && place !== null) now.setSelectionRange(place, place);
    if (now !== field) { typed.delete(field); typed.set(now, { text, focused }); }
  });
  const watch = () => { keep(); if (typed.size) requestAnimationFrame(watch); };
  document.addEventListener("input", (event) => {
    if (!event.isTrusted || !written(event.target)) return;
    if (!typed.size) requestAnimationFrame(watch);
    typed.set(event.target, { text: event.target.value, focused: true });
  }, true);
  const pressed = () => { keep(); typed.clear(); };
  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Element && event.target.closest(PRESSED) && !written(event.target)) pressed();
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || (event.key === " " && !written(event.target))) pressed();
  }, true);
  document.addEventListener("focusout", (event) => {
    if (event.target.type === "number") typed.delete(event.target);  // it writes its number in its own way then
    else if (typed.has(event.target) && event.relatedTarget) typed.get(event.target).focused = false;
  }, true);

  // To Gradio's textboxes a text changes by keys that write; what is pasted, dropped, dictated or deleted counts too.
  let byKey = false;
  document.addEventListener("keypress", (event) => { byKey = event.isTrusted; }, true);
  document.addEventListener("input", (event) => {  // on its way back, when the box has the text
    const field = event.target;
    if (event.isTrusted && !byKey && written(field) && field.type !== "number") {
      field.dispatchEvent(new KeyboardEvent("keypress", { bubbles: true }));
    }
    byKey = false;
  });

  // What a page shows stands in its address, so that it can be shared and comes back after a reload.
  window.delrecAddress = (values) => {
    const url = new URL(window.location.href);
    Object.entries(values).forEach(([name, value]) => {
      if (value) url.searchParams.set(name, value); else url.searchParams.delete(name);
    });
    window.history.replaceState(null, "", url.href.replaceAll("%2C", ","));
  };

  // The launch form's settings: preset and changes take the place of those that the address named before.
  window.delrecLaunch = (query) => {
    const url = new URL(window.location.href);
    ["clone", "preset", "set"].forEach((name) => url.searchParams.delete(name));
    new URLSearchParams(query || "").forEach((value, name) => url.searchParams.append(name, value));
    window.history.replaceState(null, "", url.href);
  };

  // Beside the setting that is pointed at or has the focus: a button that puts its name and value into what varies.
  const varier = document.createElement("button");
  Object.assign(varier, { type: "button", className: "dr-vary", textContent: "Vary" });
  const kindAndName = (block) => [...block.classList].find((name) => name.includes(":")).split(":");
  const offerVarying = (event) => {
    const block = event.target instanceof Element && event.target.closest(".dr-setting");
    if (!block || varier.parentElement === block || document.activeElement === varier) return;
    varier.ariaLabel = `Vary ${kindAndName(block)[1]}`;
    block.append(varier);
  };
  document.addEventListener("focusin", offerVarying);
  document.addEventListener("pointerover", offerVarying);
  const valueIn = (block, kind) => {
    const boxes = [...block.querySelectorAll("[type=checkbox]")];
    if (kind === "switch") return String(boxes[0].checked);
    const chosen = boxes.filter((box) => box.checked).map((box) => box.closest("label").textContent.trim());
    const field = block.querySelector("input:not([type=checkbox]), textarea");
    const text = field && !(field.getAttribute("role") === "combobox" && field.value === "empty") ? field.value : "";
    if (kind === "list") return `[${boxes.length ? chosen.join(", ") : text}]`;
    return text.includes(",") ? `"${text}"` : text;
  };
  varier.addEventListener("click", () => {
    const block = varier.parentElement;
    const [kind, name] = kindAndName(block);
    const box = document.querySelector("#vary-settings textarea");
    const lines = box.value.split("\n").filter((line) => line.trim());
    let place = lines.findIndex((line) => line.split("=")[0].trim() === name);
    if (place < 0) place = lines.push(`${name}=${valueIn(block, kind)}`) - 1;
    setText(box, lines.join("\n"));
    box.focus();
    const end = lines.slice(0, place + 1).join("\n").length;
    box.setSelectionRange(end, end);
  });

  // Runs picked for comparison; the table is drawn anew while runs go on, so ticks are put back.
  const picked = new Set();
  const showPicked = () => {
    document.documentElement.toggleAttribute("data-picked", picked.size > 0);
    document.querySelectorAll("[data-pick]").forEach((box) => { box.checked = picked.has(box.dataset.pick); });
    document.querySelectorAll("[data-compare]").forEach((link) => {
      link.href = "./compare?runs=" + [...picked].join(",");
      link.textContent = ["Tick runs to compare or change them", "Tick another to compare"][picked.size]
        || `Compare ${picked.size} runs`;
      link.classList.toggle("dr-off", picked.size < 2);
      link.setAttribute("aria-disabled", String(picked.size < 2));
    });
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (!box.matches || !box.matches("[data-pick]")) return;
    if (box.checked) picked.add(box.dataset.pick); else picked.delete(box.dataset.pick);
    showPicked();
  });

  window.delrecPicked = () => [[...picked].join(",")];
  window.delrecUnpick = () => { picked.clear(); showPicked(); };
  window.delrecExport = () => {
    [...picked].forEach((id, place) => setTimeout(() => {
      const link = document.createElement("a");
      link.href = `./archives/${id}.zip`;
      link.download = "";
      link.click();
    }, 800 * place));  // browsers drop downloads that begin all at once
  };

  // The table of runs is sorted here: at once, and again whenever it is drawn anew.
  const sortRows = () => {
    const wanted = here().get("sort") || "-created";
    const key = wanted.replace(/^-/, "");
    document.querySelectorAll("[data-sort]").forEach((button) => {
      const mine = button.dataset.sort === key;
      const head = button.closest("th");
      if (mine && here().get("sort")) head.setAttribute("aria-sort", wanted.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      if (!mine) return;
      const body = head.closest("table").tBodies[0];
      const value = (row) => row.cells[head.cellIndex].dataset.value ?? "";
      const compare = (one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === "" || b === "") return (a === "") - (b === "");
        const order = Number.isNaN(Number(a) + Number(b)) ? a.localeCompare(b) : a - b;
        return wanted.startsWith("-") ? -order : order;
      };
      const rows = [...body.rows].sort(compare);
      if (rows.some((row, place) => row !== body.rows[place])) body.append(...rows);  // else this would go on for ever
    });
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (!button) return;
    const key = button.dataset.sort;
    const first = button.closest("th").classList.contains("dr-number") ? `-${key}` : key;
    const second = first === key ? `-${key}` : key;
    const now = here().get("sort");
    window.delrecAddress({ sort: now === first ? second : now === second ? "" : first });
    sortRows();
  });

  // Charts: figures come as data beside a box that stays, so that zoom, hidden lines and scrolling stay too.
  let plotly;
  const loadPlotly = () => {
    plotly ||= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = "./-/plotly.min.js";
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => { plotly = undefined; script.remove(); reject(new Error("plotly.min.js did not load")); };
      document.head.append(script);
    });
    return plotly;
  };
  // A chart keeps its element while its uirevision stays, whatever its heading becomes and whichever charts join it.
  const cellAt = (box, place, key) => {
    const cells = [...box.children];
    if (cells[place] && cells[place].dataset.key === key) return cells[place];
    let cell = cells.find((child) => child.dataset.key === key);
    if (!cell) {
      cell = document.createElement("figure");
      cell.className = "dr-plot";
      cell.dataset.key = key;
      const heading = document.createElement("figcaption");
      heading.className = "dr-chart-title";
      cell.append(heading, document.createElement("div"));
    }
    box.insertBefore(cell, cells[place] || null);
    return cell;
  };
  const draw = async (holder) => {
    const Plotly = await loadPlotly();
    let box = null;
    for (let tries = 0; tries < 50 && !box; tries += 1) {
      box = document.querySelector(`[data-charts="${holder.dataset.chartsFor}"]`);
      if (!box) await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
    if (!box || !holder.isConnected) return;
    const wanted = JSON.parse(holder.dataset.figures);
    const keys = wanted.map(({ figure }) => figure.layout.uirevision);
    [...box.children].filter((child) => !keys.includes(child.dataset.key)).forEach((child) => {
      Plotly.purge(child.lastChild);
      child.remove();
    });
    const count = box.children.length;
    const cells = keys.map((key, place) => cellAt(box, place, key));
    wanted.forEach(({ title, figure }, place) => {
      cells[place].firstChild.textContent = title;
      const layout = { ...figure.layout, autosize: true };
      // Without a height of its own the element shrinks under its chart as soon as the window changes its width.
      cells[place].lastChild.style.height = `${layout.height}px`;
      Plotly.react(cells[place].lastChild, figure.data, layout, { responsive: true, displayModeBar: false });
    });
    if (count !== cells.length) cells.forEach((cell) => Plotly.Plots.resize(cell.lastChild));
  };

  new MutationObserver((changes) => {
    const added = changes.flatMap((change) => (change.type === "attributes" ? [change.target] : [...change.addedNodes]))
      .filter((node) => node.querySelectorAll);
    const within = (selector) => added.flatMap(
      (node) => [...(node.matches(selector) ? [node] : []), ...node.querySelectorAll(selector)]);
    within("a[download]").filter((link) => !link.textContent.trim())  // Gradio's icons have no name
      .forEach((link) => { link.ariaLabel = "Download"; });
    new Set(within("[data-figures]")).forEach((holder) => { draw(holder).catch((error) => console.warn(error.message)); });
    if (!within("[data-pick], [data-value]").length) return;
    showPicked();  // rows are drawn over by others, and would keep their ticks
    if (here().get("sort")) sortRows();
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["data-figures", "data-pick", "data-value"] });
})();
