// My likeness: a change is signed here, in the person's own browser, with the key they saved. The
// key's field has no name: whatever happens, it is not sent.
"use strict";
(() => {
  const form = document.querySelector("#sign-change");
  if (!form) return;
  const trouble = document.querySelector("#sign-trouble"), unable = document.querySelector("#sign-unable");
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  form.addEventListener("submit", async (event) => {
    if (form.dataset.ready) return;
    event.preventDefault();
    trouble.hidden = unable.hidden = true;
    const file = form.elements.key.files[0];
    let inside;
    try {
      inside = bytes((await file.text()).replace(/-----[^-]+-----/g, "").replace(/\s+/g, ""));
    } catch {
      trouble.hidden = false;
      return;
    }
    try {
      const key = await crypto.subtle.importKey("pkcs8", inside, { name: "Ed25519" }, false, ["sign"]);
      const signed = await crypto.subtle.sign({ name: "Ed25519" }, key, bytes(form.elements.tbs.value));
      form.elements.signature.value = base64(signed);
    } catch (error) {
      const cannot = !window.crypto?.subtle || error.name === "NotSupportedError";
      (cannot ? unable : trouble).hidden = false;
      return;
    }
    form.dataset.ready = "1";
    setTimeout(() => form.requestSubmit(), 0);
  });
})();
