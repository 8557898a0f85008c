// Buttons outside the grid that show a picture clear while they are held.

import { Reveal } from "./reveal.js";
import { postForPicture } from "./talk.js";

const dialog = document.querySelector("#clear");
let from = null;

const reveal = new Reveal(dialog, {
  limitMs: Number(dialog.dataset.seconds) * 1000,
  fetch: (media) =>
    postForPicture(`/cases/${dialog.dataset.case}/media/${media}/clear`, dialog.dataset.offline),
  counted() {},
  ended: () => from?.focus(),
});

function begin(button) {
  from = button;
  reveal.begin(button.dataset.clear, button.closest("figure").querySelector("figcaption").innerText);
}

for (const button of document.querySelectorAll("[data-clear]")) {
  button.hidden = false;
  button.addEventListener("pointerdown", () => begin(button));
  for (const end of ["pointerup", "pointerleave", "pointercancel"])
    button.addEventListener(end, () => reveal.end());
  button.addEventListener("keydown", (event) => {
    if ([" ", "Enter"].includes(event.key) && !event.repeat) begin(button);
  });
}
document.addEventListener("keyup", () => reveal.end());
