// Keeps the part of a page that changes up to date: [data-live] holds the address of that part as HTML, [data-events] of
// the run's events. An event says that something is new; what it is, the server draws. Without events it asks each second.

const ASK_MS = 1000;
const region = document.querySelector("[data-live]");
let source = null;
let timer = null;
let busy = false;
let again = false;

function openDetails() {
  return new Set([...region.querySelectorAll("details[open][id]")].map((details) => details.id));
}

function replace(html) {
  const open = openDetails();
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...region.querySelectorAll("a, summary, [tabindex]")].indexOf(focused);
  region.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  region.querySelectorAll("details[id]").forEach((details) => { details.open = open.has(details.id); });
  if (focused) [...region.querySelectorAll("a, summary, [tabindex]")][place]?.focus();
  document.dispatchEvent(new CustomEvent("livechange"));
  if (region.querySelector('[data-finished="yes"]')) finish();
}

function finish() {
  source?.close();
  clearInterval(timer);
  location.reload();
}

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    const answer = await fetch(region.dataset.live, { headers: { Accept: "text/html" } });
    if (answer.ok) replace(await answer.text());
  } catch {
    // the server is away: the next event or second asks again
  } finally {
    busy = false;
  }
  if (again) {
    again = false;
    refresh();
  }
}

function ask() {
  timer ??= setInterval(refresh, ASK_MS);
}

if (region) {
  if (region.dataset.events) {
    source = new EventSource(region.dataset.events);
    for (const kind of ["state", "sample", "running", "finished", "message"]) source.addEventListener(kind, refresh);
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) ask();
      refresh();
    });
  } else {
    ask();
  }
}
