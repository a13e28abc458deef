// PNG of a chart: the browser paints the SVG that the server drew. Links with data-png appear where scripts run.

const SCALE = 2; // pixels of the picture for one of the drawing: sharp in a slide

async function toPng(address) {
  const picture = new Image();
  picture.src = address; // of this server, or the data address of a report: neither needs more than the CSP gives
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth * SCALE;
  canvas.height = picture.naturalHeight * SCALE;
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

async function save(event) {
  event.preventDefault();
  const link = event.currentTarget;
  const address = URL.createObjectURL(await toPng(link.href));
  const saver = document.createElement("a");
  saver.href = address;
  saver.download = link.dataset.png;
  saver.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function offer() {
  document.querySelectorAll("[data-png][hidden]").forEach((link) => {
    link.hidden = false;
    link.addEventListener("click", save);
  });
}

offer();
document.addEventListener("livechange", offer);
