// What every page has: the light and dark switch, and commands that can be copied.

function showTheme(theme) {
  document.querySelectorAll("[data-theme-choice]").forEach((link) => {
    if (link.dataset.themeChoice === theme) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  });
}

function chooseTheme(event) {
  const theme = event.currentTarget.dataset.themeChoice;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    return; // no storage: the link's own address carries the choice
  }
  event.preventDefault();
  document.documentElement.dataset.theme = theme;
  const address = new URL(location.href);
  if (address.searchParams.has("theme")) {
    address.searchParams.delete("theme");
    history.replaceState(null, "", address);
  }
  showTheme(theme);
  document.dispatchEvent(new CustomEvent("themechange"));
}

function addCopyButton(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  block.append(button);
}

document.querySelectorAll("[data-theme-choice]").forEach((link) => link.addEventListener("click", chooseTheme));
if (document.documentElement.dataset.theme) showTheme(document.documentElement.dataset.theme);
if (navigator.clipboard) document.querySelectorAll("[data-copy]").forEach(addCopyButton);
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("figure.plot details").forEach((details) => { details.open = true; });
});
