// My likeness: a change is signed here, in the person's own browser, with the key they saved.
"use strict";
(() => {
  const form = document.querySelector("#sign-change");
  if (!form || !window.crypto?.subtle) return; // then the key goes with the form, and is not kept
  const trouble = document.querySelector("#sign-trouble");
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
  form.addEventListener("submit", async (event) => {
    if (form.dataset.ready) return;
    event.preventDefault();
    trouble.hidden = true;
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
      form.elements.key.disabled = true; // the key itself stays here
    } catch (error) {
      if (error.name !== "NotSupportedError") {
        trouble.hidden = false;
        return;
      }
    }
    form.dataset.ready = "1";
    setTimeout(() => form.requestSubmit(), 0);
  });
})();
