// The console's own script: a menu, copy buttons, file drops, the live checklist's digests, progress.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const hex = (buffer) => [...new Uint8Array(buffer)].map((b) => b.toString(16).padStart(2, "0")).join("");

  // The menu of small screens.
  const button = $(".pf-menu-button");
  if (button) {
    button.addEventListener("click", () =>
      button.setAttribute("aria-expanded", button.getAttribute("aria-expanded") === "true" ? "false" : "true"));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") button.setAttribute("aria-expanded", "false");
    });
  }

  // Copy: <button data-copy="text"> or <button data-copy-from="#id">.
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy], [data-copy-from]");
    if (!copy) return;
    const text = copy.dataset.copy ?? $(copy.dataset.copyFrom).textContent;
    try { await navigator.clipboard.writeText(text); } catch { return; }
    copy.classList.add("pf-copied");
    setTimeout(() => copy.classList.remove("pf-copied"), 1500);
  });

  // A second question before what cannot be undone: <form data-confirm="…">.
  document.addEventListener("submit", (event) => {
    const text = event.target.dataset.confirm;
    if (text && !window.confirm(text)) event.preventDefault();
    else if (event.target.matches("form[data-once]")) {
      const busy = $('button:not([type="button"])', event.target);
      if (busy) { busy.disabled = true; busy.textContent = busy.dataset.busy || "One moment…"; }
    }
  });
  window.addEventListener("pageshow", () => all('form[data-once] button:not([type="button"])').forEach((b) => { b.disabled = false; }));

  // Save text made in the page: <button data-save="#id" data-name="file.json">.
  document.addEventListener("click", (event) => {
    const save = event.target.closest("[data-save]");
    if (!save) return;
    const blob = new Blob([$(save.dataset.save).textContent], { type: "application/octet-stream" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = save.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });

  // File drops: a preview, the name, and (for the checklist) digest and length. Nothing is sent yet.
  const described = (file) => `${file.name} · ${file.size < 1e6 ? Math.ceil(file.size / 1e3) + " kB" : (file.size / 1e6).toFixed(1) + " MB"}`;
  async function digest(file) {
    if (!window.crypto?.subtle) return "";
    return hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  }
  function seconds(url) {
    return new Promise((done) => {
      const probe = document.createElement("audio");
      probe.preload = "metadata";
      probe.onloadedmetadata = () => done(Number.isFinite(probe.duration) ? probe.duration : 0);
      probe.onerror = () => done(0);
      probe.src = url;
    });
  }
  async function chosen(drop, input) {
    const file = input.files[0];
    const text = $(".pf-drop-text", drop);
    if (!file) return;
    $("b", text).textContent = described(file);
    const hint = $("span", text);
    const url = URL.createObjectURL(file);
    all("img, audio", drop).forEach((old) => old.remove());
    if (file.type.startsWith("image/")) {
      const picture = document.createElement("img");
      picture.src = url;
      picture.alt = "The photo you chose";
      drop.prepend(picture);
      $(":scope > .icon", drop)?.classList.add("d-none");
      if (hint) hint.textContent = "Choose another to replace it.";
    } else if (file.type.startsWith("audio/")) {
      const player = document.createElement("audio");
      player.controls = true;
      player.src = url;
      text.append(player);
      if (hint) hint.textContent = "Choose another to replace it.";
    }
    const form = input.form;
    const field = input.dataset.digest && form.elements[input.dataset.digest];
    if (field) field.value = await digest(file);
    const length = input.dataset.seconds && form.elements[input.dataset.seconds];
    if (length) length.value = (await seconds(url)).toFixed(3);
    form.dispatchEvent(new CustomEvent("pfchanged", { bubbles: true }));
    if (input.dataset.submit !== undefined) form.requestSubmit();
  }
  all(".pf-drop").forEach((drop) => {
    const input = $("input[type=file]", drop);
    input.addEventListener("change", () => chosen(drop, input));
    input.addEventListener("dragenter", () => drop.classList.add("pf-over"));
    for (const name of ["dragleave", "drop"]) input.addEventListener(name, () => drop.classList.remove("pf-over"));
    if (input.files.length) chosen(drop, input);
  });

  // Sliders say their value.
  all("input[type=range][data-out]").forEach((range) => {
    const out = $(range.dataset.out);
    const tell = () => { out.textContent = range.value; };
    range.addEventListener("input", tell);
    tell();
  });

  // The last progress event: show the result.
  document.addEventListener("done", (event) => {
    if (event.target.matches("[data-progress]")) window.location.reload();
  });
})();
