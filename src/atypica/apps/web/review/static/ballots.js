// Votes wait in line and leave one at a time. One that gets no answer is sent again: the server counts it once.
const WAIT_MS = [500, 1000, 2000, 4000];
const PATIENCE_MS = [6000, 12000, 24000, 48000];

// Gives a request up after a while; `stop` gives it up earlier.
export function patience(ms, stop = null) {
  const late = AbortSignal.timeout(ms);
  return stop ? AbortSignal.any([late, stop]) : late;
}
const step = (list, number) => list[Math.min(number, list.length - 1)];

export class Ballots {
  constructor(csrf, { done, refused, waiting }) {
    this.csrf = csrf;
    this.events = { done, refused, waiting };
    this.line = [];
    this.busy = false;
    this.tries = 0;
    addEventListener("beforeunload", (event) => { if (this.line.length) event.preventDefault(); });
  }

  add(path, fields, keys) {
    this.line.push({ path, keys, body: new URLSearchParams({ request: crypto.randomUUID(), ...fields }) });
    if (this.tries) this.events.waiting(this.line.length);
    if (!this.busy) this.send();
  }

  async send() {
    this.busy = true;
    while (this.line.length) {
      const ballot = this.line[0];
      try {
        const answer = await fetch(ballot.path, { method: "POST", body: ballot.body, headers: { "X-CSRF-Token": this.csrf, "HX-Request": "true" }, signal: patience(step(PATIENCE_MS, this.tries)) });
        if (answer.status >= 500 || answer.status === 408) throw new Error(String(answer.status));
        const text = await answer.text();
        this.line.shift();
        if (this.tries) this.events.waiting(0);
        this.tries = 0;
        if (answer.ok) this.events.done(ballot, text, answer.headers);
        else this.events.refused(ballot, reason(answer.status, text));
      } catch {
        this.tries += 1;
        this.events.waiting(this.line.length);
        await new Promise((resolve) => { setTimeout(resolve, step(WAIT_MS, this.tries - 1)); });
      }
    }
    this.busy = false;
  }
}

function reason(status, text) {
  try {
    const { error, fix } = JSON.parse(text);
    return fix ? `${error}: ${fix}` : error;
  } catch {
    return `the server answers ${status}`;
  }
}
