// Requests to our own server, with errors that say what a person should read.

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
    // Asking again would be answered the same way.
    this.final = status >= 400 && status < 500 && status !== 429 && status !== 401;
  }
}

async function checked(answer, words) {
  if (answer.ok) return answer;
  let message = words;
  try {
    const problem = await answer.json();
    message = [problem.title, problem.detail].filter(Boolean).join(". ");
  } catch {
    // Not ours: the words that we have must do.
  }
  throw new Refused(message, answer.status);
}

export async function getJSON(path, words) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  return (await checked(answer, words)).json();
}

export async function postJSON(path, body, words) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  return (await checked(answer, words)).json();
}

export async function postForPicture(path, words) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { accept: "image/jpeg, application/json" },
    cache: "no-store",
  });
  return (await checked(answer, words)).blob();
}
