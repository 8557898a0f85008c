// Passkeys (WebAuthn level 3): the browser's own JSON forms do the encoding.

import { postJSON } from "./talk.js";

const place = document.querySelector("#passkey");

async function signIn(words) {
  const options = await postJSON("/sign-in/passkey/start", {}, words);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  const answer = await postJSON(
    "/sign-in/passkey/finish",
    { credential: credential.toJSON(), next: place.dataset.next },
    words,
  );
  location.assign(answer.next);
}

async function add(words) {
  const password = place.querySelector("#passkey-password").value;
  const options = await postJSON("/account/passkeys/start", { password }, words);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.create({ publicKey });
  const label = place.querySelector("#passkey-label").value;
  await postJSON("/account/passkeys/finish", { credential: credential.toJSON(), label }, words);
  location.reload();
}

if (place && window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    const said = place.querySelector("[role=status]");
    said.textContent = "";
    try {
      await (place.dataset.act === "add" ? add : signIn)(place.dataset.failed);
    } catch (error) {
      // What the browser itself says (cancelled, no passkey here) is in its own dialog.
      said.textContent = error.status ? error.message : place.dataset.failed;
    }
  });
}
