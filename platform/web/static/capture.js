// The consent page: a key made here, in the person's own browser, and the recording of the statement.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const KEPT = "pf-consent-key", SENT = "pf-recording-sent";
  // A submit event may still be under way when the key is there; a form ignores a second one inside it.
  const send = (form) => setTimeout(() => form.requestSubmit(), 0);

  // 1. Before the summary: make the key. The private half stays in this tab; nobody else makes one.
  const choices = $("#choices");
  if (choices) {
    choices.addEventListener("submit", async (event) => {
      if (choices.dataset.ready) return;
      event.preventDefault();
      try {
        const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
        choices.elements.public_key.value = base64(await crypto.subtle.exportKey("raw", pair.publicKey));
        sessionStorage.setItem(KEPT, base64(await crypto.subtle.exportKey("pkcs8", pair.privateKey)));
      } catch {
        $("#key-trouble").hidden = false;
        return;
      }
      choices.dataset.ready = "1";
      send(choices);
    });
  }

  // 2. On the summary: sign it.
  const confirm = $("#confirm");
  if (confirm) {
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
    if (kept) key.textContent = `-----BEGIN PRIVATE KEY-----\n${kept}\n-----END PRIVATE KEY-----\n`;
    $("#own-key-box").hidden = !kept;
  }

  // 4. While a recording is being checked: go on when it was.
  const statement = $("#statement");
  if (statement?.dataset.recording === "waiting") {
    if (sessionStorage.getItem(SENT)) statement.scrollIntoView(); // where the person was when it was sent
    sessionStorage.removeItem(SENT);
    history.scrollRestoration = "auto";
    const ask = async () => {
      try {
        const answer = await fetch(statement.dataset.poll, { headers: { Accept: "application/json" } });
        if (answer.ok && (await answer.json()).recording !== "waiting") return window.location.reload();
      } catch { /* the next time */ }
      setTimeout(ask, 2500);
    };
    setTimeout(ask, 2500);
  }

  // 5. The statement, recorded live: read, say five words, move three times, send.
  const recorder = $("#recorder");
  if (recorder && navigator.mediaDevices?.getUserMedia && window.MediaRecorder) {
    const part = (name) => $(`[data-${name}]`, recorder);
    const [camera, start, next, cue, text, status] = ["camera", "start", "next", "cue", "statement", "status"].map(part);
    const stage = $(".pf-stage", recorder), view = $("video", recorder), line = $(".pf-steps-line", recorder);
    const arrow = $(".pf-arrow", recorder), clock = $(".pf-clock", recorder);
    const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
    // The preview is a mirror: one's own left is on the left.
    const ARROWS = { left: "←", right: "→", up: "↑", down: "↓", "tilt-left": "↶", "tilt-right": "↷" };
    const WORD = 2.4, MOVE = 2.6, REST = 1.6;
    recorder.hidden = false;
    $("#no-recorder").hidden = true;
    let stream = null;

    const step = (name) => {
      line.hidden = false;
      for (const item of line.children) item.classList.toggle("is-now", item.dataset.step === name);
    };
    const say = (words) => { cue.hidden = !words; cue.textContent = words; };

    camera.addEventListener("click", async () => {
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 } }, audio: { echoCancellation: false } });
      } catch (error) {
        status.textContent = error.name === "NotAllowedError"
          ? "The camera was not allowed. Allow camera and microphone for this page in your browser, then try again."
          : "No camera or microphone could be used. Connect one, or ask for a live call instead.";
        return;
      }
      stage.hidden = false;
      view.srcObject = stream;
      view.muted = true;
      await view.play();
      camera.hidden = true;
      start.hidden = false;
      status.textContent = "Sit in good light, alone, your face in the oval. When you begin, the words appear and 120 seconds run.";
      start.focus();
    });

    const tape = () => {
      const kind = ["video/mp4;codecs=avc1,mp4a.40.2", "video/webm;codecs=vp8,opus", "video/webm", "video/mp4"].find((t) => MediaRecorder.isTypeSupported(t));
      const parts = [];
      const machine = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: 1500000 });
      machine.ondataavailable = (event) => parts.push(event.data);
      const over = new Promise((done) => { machine.onstop = () => done(new Blob(parts, { type: kind })); });
      machine.start();
      return { stop: () => { machine.stop(); return over; } };
    };

    start.addEventListener("click", async () => {
      start.hidden = true;
      const form = new FormData();
      form.set("csrf_token", recorder.elements.csrf_token.value);
      const answer = await fetch(recorder.dataset.challenge, { method: "POST", body: form });
      const task = await answer.json().catch(() => ({}));
      if (!answer.ok) { status.textContent = task.problem || "That did not work. Load the page again."; return; }
      const machine = tape();
      let left = task.seconds, late;
      const tooLate = new Promise((done) => { late = () => done("late"); });
      clock.hidden = false;
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
      const ticking = setInterval(() => {
        left -= 1;
        clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
        if (left <= 2) late();
      }, 1000);
      status.textContent = "Recording.";
      const said = (async () => {
        step("read");
        text.hidden = false;
        next.hidden = false;
        next.focus({ preventScroll: true });
        stage.scrollIntoView({ block: "start" }); // picture, clock and words, all at once
        await new Promise((done) => next.addEventListener("click", done, { once: true }));
        text.hidden = next.hidden = true;
        step("words");
        status.textContent = "Say each word when it appears.";
        for (const word of task.words) { say(word); await wait(WORD); say(""); await wait(0.2); }
        step("moves");
        status.textContent = "Move your head as shown, then look ahead again.";
        for (const [words, name] of task.moves) {
          say("Look ahead");
          await wait(REST);
          say(words[0].toUpperCase() + words.slice(1));
          arrow.textContent = ARROWS[name];
          arrow.hidden = false;
          await wait(MOVE);
          arrow.hidden = true;
        }
        say("Look ahead");
        await wait(REST);
        say("");
      })();
      const how = await Promise.race([said, tooLate]);
      clearInterval(ticking);
      clock.hidden = true;
      const film = await machine.stop();
      stream.getTracks().forEach((track) => track.stop());
      stage.hidden = true;
      if (how === "late") { status.textContent = "The time is over. Load the page again and take another try."; return; }
      step("send");
      status.textContent = "Sending…";
      const data = new FormData(recorder);
      data.set("video", film, "statement");
      const sent = await fetch(recorder.action, { method: "POST", body: data });
      if (sent.ok) {
        sessionStorage.setItem(SENT, "1");
        history.scrollRestoration = "manual";
        return window.location.reload();
      }
      const page = new DOMParser().parseFromString(await sent.text(), "text/html");
      status.textContent = page.querySelector("[role=alert]")?.textContent.trim() || "That did not work. Load the page again.";
    });
  }
})();
