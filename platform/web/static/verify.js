// Checks a chosen file's Content Credential in the browser. The file is read here and sent nowhere:
// this script's only requests are for the checker itself, for the public keys and, when somebody
// presses the button for it, for the standing of a number that the credential names.
const form = document.querySelector("#verify");
const here = document.querySelector("#here");
const FORMATS = {
  mp4: "video/mp4", m4v: "video/mp4", mov: "video/quicktime", m4a: "audio/mp4", wav: "audio/wav", mp3: "audio/mpeg",
  jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp", gif: "image/gif", avif: "image/avif", heic: "image/heic",
};
const TECHNIQUE = "Content Credentials";
let turn = 0;
let ready = null;

async function checker() {
  const [{ createC2pa, isSupportedReaderFormat }, trust] = await Promise.all([
    import(form.dataset.library),
    fetch(form.dataset.trust).then((answer) => answer.json()),
  ]);
  const settings = {
    trust: { trustAnchors: trust.claimRoot + "\n" + trust.timeRoot, trustConfig: trust.usages.join("\n") },
    verify: { verifyTrust: true, verifyAfterReading: true, remoteManifestFetch: false, ocspFetch: false },
  };
  const c2pa = await createC2pa({ wasmSrc: form.dataset.wasm, settings });
  return { c2pa, isSupportedReaderFormat };
}

function formatOf(file, supported) {
  const byName = FORMATS[file.name.split(".").pop().toLowerCase()];
  return [byName, file.type].find((format) => format && supported(format));
}

async function read(file) {
  const { c2pa, isSupportedReaderFormat } = await (ready ??= checker());
  const format = formatOf(file, isSupportedReaderFormat);
  if (!format) return { state: "unknown" };
  const reader = await c2pa.reader.fromBlob(format, file);
  if (!reader) return { state: "none" };
  try {
    return { state: "read", store: await reader.manifestStore() };
  } finally {
    await reader.free();
  }
}

// What the store says, in words. What a credential claims is told only while it holds.
function judged(found) {
  if (found.state === "unknown") return { tone: "off", headline: "Your browser cannot read this kind of file", meaning: "Our server may know more." };
  if (found.state === "none") return { tone: "off", headline: "No Content Credential in this file", meaning: "That does not make it real: credentials are lost easily. Our server can look for the invisible mark." };
  const store = found.store;
  const active = store.validation_results?.activeManifest ?? {};
  const stamped = (active.success ?? []).some((item) => item.code === "timeStamp.trusted");
  if (store.validation_state === "Trusted" && stamped) return { tone: "wait", headline: "Intact, but whether it still stands was not asked", meaning: "The signature fits the file and leads to our certificate, with a trusted time. It was made with an AI tool. Your browser cannot know whether the person shown still agrees, or whether the video or the key that signed it was called back.", told: true };
  if (store.validation_state === "Trusted") return { tone: "wait", headline: "Signed, without a trusted time", meaning: "The signature fits the file, but when it was made cannot be told." };
  if (store.validation_state === "Valid") return { tone: "wait", headline: "Signed, but nobody here vouches for it", meaning: "The credentials are whole, but come from elsewhere. What they say cannot be relied on." };
  return { tone: "bad", headline: "The credentials do not fit the file", meaning: "The file may have been tampered with. Watch with caution." };
}

function fact(title, text) {
  const row = document.createElement("div");
  const name = document.createElement("dt");
  const value = document.createElement("dd");
  const technique = document.createElement("span");
  technique.className = "text-secondary pf-technique";
  technique.textContent = TECHNIQUE;
  name.textContent = title;
  value.append(text + " ", technique);
  row.append(name, value);
  return row;
}

function line(code, text, standing) {
  const row = document.createElement("li");
  row.className = "py-2 pf-break";
  const name = document.createElement("strong");
  name.textContent = { met: "Holds: ", unmet: "Does not hold: ", later: "Note: " }[standing] + code;
  const more = document.createElement("div");
  more.textContent = text ?? "";
  row.append(name, more);
  return row;
}

function told(store) {
  const words = JSON.parse(form.dataset.actions);
  const sources = JSON.parse(form.dataset.sources);
  const manifest = store.manifests?.[store.active_manifest] ?? {};
  const assertion = (label) => (manifest.assertions ?? []).find((a) => a.label === label)?.data ?? {};
  const actions = assertion("c2pa.actions.v2").actions ?? [];
  const generator = manifest.claim_generator_info?.[0] ?? {};
  const source = String(actions[0]?.digitalSourceType ?? "").split("/").pop();
  const signed = manifest.signature_info?.time;
  const summary = [
    ["Issued by", manifest.signature_info?.issuer],
    ["Made with", [generator.name, generator.version].filter(Boolean).join(" ")],
    ["Signed", signed && new Date(signed).toISOString().replace("T", ", ").slice(0, 17) + " UTC"],
    ["What it is", sources[source] ?? source],
  ];
  const story = [
    ...actions.map((action) => ["Step", words[action.action] ?? action.action]),
    ...(manifest.ingredients ?? []).map((ingredient) => ["Went in", ingredient.title]),
  ];
  const shown = (rows) => rows.filter(([, text]) => text).map(([title, text]) => fact(title, String(text)));
  return { summary: shown(summary), story: shown(story) };
}

// The number that the mark carries, as the credential names it; asked of this server alone, whatever
// host the credential names.
function numberOf(store) {
  const manifest = store.manifests?.[store.active_manifest] ?? {};
  const consent = (manifest.assertions ?? []).find((a) => a.label === "org.primafacie.consent")?.data;
  return /\/api\/v1\/assets\/([0-9a-f]{14})\/consent$/.exec(String(consent?.statusUrl ?? ""))?.[1];
}

const STANDING = {
  active: { tone: "wait", headline: "Intact, and not called back as of now", meaning: "It was made with an AI tool. Our server was asked for its number just now: the consent behind it is in force. Its certificate, the log and the invisible mark were not looked at." },
  suspended: { tone: "warn", headline: "Paused: please do not share it for now", meaning: "The credential is intact, but the use of this video is suspended at the moment." },
  unknown: { tone: "wait", headline: "Intact, but its number is not in our register", meaning: "Our server knows no released video with the number that the credential names. Do not rely on it." },
  failed: { tone: "wait", headline: "Whether it still stands could not be asked", meaning: "Our server did not answer. What your browser found says nothing about consent or about whether the video was called back." },
  gone: { tone: "bad", headline: "Called back: please do not share it", meaning: "The credential is intact, but the consent behind this video has ended or the video was called back." },
};

async function standingOf(number) {
  try {
    const answer = await fetch(`/api/v1/assets/${number}/consent`, { credentials: "omit", cache: "no-store" });
    if (answer.status === 404) return "unknown";
    if (!answer.ok) return "failed";
    const told = await answer.json();
    if (told.withdrawn_at || told.called_back_at) return "gone";
    return ["active", "suspended"].includes(told.consent) ? told.consent : "gone";
  } catch {
    return "failed";
  }
}

function offer(section, number) {
  const standing = section.querySelector("[data-slot=standing]");
  if (!number) return standing.remove();
  standing.querySelector("code").textContent = number;
  const button = standing.querySelector("button");
  button.addEventListener("click", async () => {
    button.disabled = true;
    const found = await standingOf(number);
    button.disabled = false;
    section.dataset.standing = found;
    pronounce(section, STANDING[found]);
    if (found !== "failed") standing.remove();
    section.focus();
  });
}

function pronounce(section, judgement) {
  const slot = (name) => section.querySelector(`[data-slot=${name}]`);
  slot("tone").className = "pf-verdict-icon pf-" + judgement.tone;
  const use = slot("tone").querySelector("use");
  const pictures = { bad: "alert-triangle", warn: "history", wait: "info-circle", off: "circle-dashed" };
  use.setAttribute("href", use.getAttribute("href").split("#")[0] + "#" + pictures[judgement.tone]);
  slot("headline").textContent = judgement.headline;
  slot("meaning").textContent = judgement.meaning;
}

function show(found, digest) {
  const answer = document.querySelector("#here-answer").content.cloneNode(true);
  const slot = (name) => answer.querySelector(`[data-slot=${name}]`);
  const judgement = judged(found);
  const section = answer.querySelector("section");
  section.dataset.state = found.store?.validation_state ?? found.state;
  pronounce(section, judgement);
  offer(section, judgement.told && numberOf(found.store));
  const parts = judgement.told ? told(found.store) : { summary: [], story: [] };
  slot("summary").append(...parts.summary);
  if (!parts.summary.length) slot("summary").remove();
  slot("story").append(...parts.story);
  if (!parts.story.length) slot("how").remove();
  const active = found.store?.validation_results?.activeManifest ?? {};
  const kinds = { failure: "unmet", success: "met", informational: "later" };
  for (const [kind, standing] of Object.entries(kinds))
    slot("lines").append(...(active[kind] ?? []).slice(0, 50).map((item) => line(item.code, item.explanation, standing)));
  slot("raw").textContent = JSON.stringify({ sha256: digest, ...found }, null, 1).slice(0, 200000);
  here.replaceChildren(answer);
}

function say(text) {
  const note = document.createElement("p");
  note.className = "pf-card";
  note.setAttribute("role", "status");
  note.textContent = text;
  here.replaceChildren(note);
}

async function digestOf(file) {
  if (!window.crypto?.subtle) return "";
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function check(file) {
  const mine = ++turn;
  say("Your browser is checking the file. It is sent nowhere.");
  let found;
  try {
    found = await read(file);
  } catch (error) {
    found = { state: "unreadable", why: String(error).slice(0, 300) };
  }
  const digest = await digestOf(file);
  if (mine !== turn) return;
  if (found.state === "unreadable") {
    say("Your browser could not read this file's credentials. Our server may.");
    here.firstChild.id = "browser-answer";
    here.firstChild.dataset.state = "unreadable";
    here.firstChild.title = found.why;
  } else {
    show(found, digest);
  }
}

const input = form.elements.file;
input.addEventListener("change", () => {
  document.querySelector("#server").replaceChildren();
  if (input.files.length) check(input.files[0]);
});
if (input.files.length) check(input.files[0]);

// One question at a time, and the answer gets the focus.
const button = form.querySelector("button[type=submit]");
const words = button.textContent;
form.addEventListener("htmx:before:request", () => { button.disabled = true; button.textContent = button.dataset.busy; });
form.addEventListener("htmx:finally:request", () => { button.disabled = false; button.textContent = words; });
document.body.addEventListener("htmx:after:swap", () => document.querySelector("#server-answer")?.focus());
