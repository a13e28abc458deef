// Arrow keys step through a timeline. The server draws every step; here the new part of the page takes the old one's place.

const KEYS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"]);
let loading = false;

async function show(address, remember) {
  if (loading) return;
  loading = true;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    if (!answer.ok) {
      location.assign(address);
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const place = window.scrollY;
    document.getElementById("timeline").replaceWith(document.adoptNode(page.getElementById("timeline")));
    if (remember) history.pushState(null, "", address);
    window.scrollTo({ top: place, behavior: "instant" });
  } finally {
    loading = false;
  }
}

function onKey(event) {
  if (!KEYS.has(event.key) || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea, .scroll")) return;
  const link = document.querySelector(`[data-key="${event.key}"]`);
  if (!link) return;
  event.preventDefault();
  show(link.href, true);
}

function onClick(event) {
  const link = event.target.closest("#timeline a");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const address = new URL(link.getAttribute("href"), location.href);
  if (address.pathname !== location.pathname) return;
  event.preventDefault();
  const key = link.dataset.key;
  show(address.href, true).then(() => {
    if (key) document.querySelector(`[data-key="${key}"]`)?.focus();
  });
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);
window.addEventListener("popstate", () => show(location.href, false));
