// The consent page: a key made here, in the person's own browser, and the recording of the statement.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const KEPT = "pf-consent-key";
  // A submit event may still be under way when the key is there; a form ignores a second one inside it.
  const send = (form) => setTimeout(() => form.requestSubmit(), 0);

  // 1. Before the summary: make the key. The private half stays in this tab.
  const choices = $("#choices");
  if (choices) {
    choices.addEventListener("submit", async (event) => {
      if (choices.dataset.ready || !window.crypto?.subtle) return;
      event.preventDefault();
      try {
        const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
        choices.elements.public_key.value = base64(await crypto.subtle.exportKey("raw", pair.publicKey));
        sessionStorage.setItem(KEPT, base64(await crypto.subtle.exportKey("pkcs8", pair.privateKey)));
      } catch {
        choices.elements.public_key.value = ""; // this browser cannot: the server makes one for the page
      }
      choices.dataset.ready = "1";
      send(choices);
    });
  }

  // 2. On the summary: sign it.
  const confirm = $("#confirm");
  if (confirm && !confirm.elements.private) {
    confirm.addEventListener("submit", async (event) => {
      if (confirm.dataset.ready) return;
      event.preventDefault();
      const kept = sessionStorage.getItem(KEPT);
      const trouble = $("#confirm-trouble");
      try {
        const key = await crypto.subtle.importKey("pkcs8", bytes(kept), { name: "Ed25519" }, false, ["sign"]);
        const signed = await crypto.subtle.sign({ name: "Ed25519" }, key, bytes(confirm.elements.tbs.value));
        confirm.elements.signature.value = base64(signed);
      } catch {
        trouble.hidden = false;
        return;
      }
      confirm.dataset.ready = "1";
      send(confirm);
    });
  }

  // 3. On the receipt: offer the key for keeping, then forget it.
  const key = $("#own-key");
  if (key) {
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    if (kept && !key.textContent.trim()) {
      key.textContent = `-----BEGIN PRIVATE KEY-----\n${kept}\n-----END PRIVATE KEY-----\n`;
    }
    $("#own-key-box").hidden = !key.textContent.trim();
  }

  // The statement, recorded live.
  const recorder = $("#recorder");
  if (recorder && navigator.mediaDevices?.getUserMedia && window.MediaRecorder) {
    const view = $("video", recorder);
    const start = $("[data-start]", recorder);
    const stop = $("[data-stop]", recorder);
    const words = $("[data-status]", recorder);
    recorder.hidden = false;
    let tape = null;
    start.addEventListener("click", async () => {
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: true });
        view.hidden = false;
        view.srcObject = stream;
        view.muted = true;
        await view.play();
        const kind = ["video/mp4;codecs=avc1,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm"].find((t) => MediaRecorder.isTypeSupported(t));
        const parts = [];
        tape = new MediaRecorder(stream, { mimeType: kind });
        tape.ondataavailable = (event) => parts.push(event.data);
        tape.onstop = async () => {
          stream.getTracks().forEach((track) => track.stop());
          words.textContent = "Sending…";
          const form = recorder.closest("form");
          const data = new FormData(form);
          data.set("video", new Blob(parts, { type: kind }), "statement");
          const answer = await fetch(form.action, { method: "POST", body: data });
          if (answer.ok) window.location.reload();
          else words.textContent = "That did not work. Try again, or choose a file below.";
        };
        tape.start();
        start.hidden = true;
        stop.hidden = false;
        words.textContent = "Recording. Read the text aloud, do the movements, then stop.";
        stop.focus();
      } catch {
        words.textContent = "The camera could not be used. You can record with your phone's camera instead and choose the file below.";
      }
    });
    stop.addEventListener("click", () => tape?.stop());
  }
})();
