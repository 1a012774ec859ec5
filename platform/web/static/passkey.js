// Passkeys: asks the server for a challenge, the browser's keys for an answer, and sends the form.
// <form data-passkey="get|create" data-options="/…/options"> with a field named "answer".
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const keyed = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  async function asked(form) {
    const token = form.elements.csrf_token.value;
    const reply = await fetch(form.dataset.options, { method: "POST", headers: { "X-CSRFToken": token, "HX-Request": "true" } });
    if (!reply.ok) throw new Error((await reply.text()).replace(/<[^>]*>/g, " ").replace(/\s+/g, " ").trim());
    const options = await reply.json();
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    options.excludeCredentials = keyed(options.excludeCredentials);
    options.allowCredentials = keyed(options.allowCredentials);
    return options;
  }

  function told(made) {
    const response = { clientDataJSON: text(made.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"])
      if (made.response[name]) response[name] = text(made.response[name]);
    if (made.response.getTransports) response.transports = made.response.getTransports();
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response, clientExtensionResults: {} });
  }

  const WORDS = {
    NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
    InvalidStateError: "This device already holds a passkey of this account.",
    SecurityError: "Passkeys work only under this console's public address.",
    NotSupportedError: "This device offers no passkey that fits.",
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const say = form.querySelector("[data-passkey-says]");
    const button = form.querySelector("button");
    if (!window.PublicKeyCredential) {
      button.disabled = true;
      say.textContent = "This browser has no passkeys here: they need https, or localhost.";
      continue;
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      say.textContent = "Answer on your device.";
      try {
        const publicKey = await asked(form);
        form.elements.answer.value = told(await navigator.credentials[form.dataset.passkey]({ publicKey }));
        form.submit();
      } catch (error) {
        say.textContent = WORDS[error.name] || error.message || "That did not work. Try again.";
        button.disabled = false;
      }
    });
  }
})();
