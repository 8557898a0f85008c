// Passkeys (WebAuthn level 3): the browser's own JSON forms do the encoding.

import { postJSON } from "./talk.js";

const place = document.querySelector("#passkey");

async function signIn() {
  const options = await postJSON("/sign-in/passkey/start", {}, place.dataset.failed);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.get({ publicKey });
  const next = document.querySelector("[name=next]")?.value ?? "";
  const answer = await postJSON(
    "/sign-in/passkey/finish",
    { state: options.state, credential: credential.toJSON(), next },
    place.dataset.failed,
  );
  location.assign(answer.next);
}

async function enrol() {
  const options = await postJSON("/account/passkeys/start", {}, place.dataset.failed);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.publicKey);
  const credential = await navigator.credentials.create({ publicKey });
  const label = document.querySelector("#passkey-label").value;
  await postJSON(
    "/account/passkeys/finish",
    { state: options.state, credential: credential.toJSON(), label },
    place.dataset.failed,
  );
  location.reload();
}

if (place && window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    const said = place.querySelector("[role=status]");
    said.textContent = "";
    try {
      await (place.dataset.enrol ? enrol() : signIn());
    } catch (error) {
      said.textContent = error.name === "Refused" ? error.message : place.dataset.failed;
    }
  });
}
