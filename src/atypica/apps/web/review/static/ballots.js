// Votes wait in line and leave one at a time. One that gets no answer is sent again: the server counts it once.
const WAIT_MS = [500, 1000, 2000, 4000];

export class Ballots {
  constructor(csrf, { done, refused, waiting }) {
    this.csrf = csrf;
    this.events = { done, refused, waiting };
    this.line = [];
    this.busy = false;
    addEventListener("beforeunload", (event) => { if (this.line.length) event.preventDefault(); });
  }

  add(path, fields, keys) {
    this.line.push({ path, keys, body: new URLSearchParams({ request: crypto.randomUUID(), ...fields }) });
    if (!this.busy) this.send();
  }

  async send() {
    this.busy = true;
    let tries = 0;
    while (this.line.length) {
      const ballot = this.line[0];
      try {
        const answer = await fetch(ballot.path, { method: "POST", body: ballot.body, headers: { "X-CSRF-Token": this.csrf, "HX-Request": "true" } });
        if (answer.status >= 500) throw new Error(String(answer.status));
        this.line.shift();
        if (tries) this.events.waiting(0);
        tries = 0;
        if (answer.ok) this.events.done(ballot, await answer.text(), answer.headers);
        else this.events.refused(ballot, await reason(answer));
      } catch {
        this.events.waiting(this.line.length);
        await new Promise((resolve) => { setTimeout(resolve, WAIT_MS[Math.min(tries, WAIT_MS.length - 1)]); });
        tries += 1;
      }
    }
    this.busy = false;
  }
}

async function reason(answer) {
  try {
    const { error, fix } = await answer.json();
    return fix ? `${error}: ${fix}` : error;
  } catch {
    return `the server answers ${answer.status}`;
  }
}
