// A chart to zoom into: Plotly draws the chart's CSV in the place of the drawing, and is loaded when it is asked for.
// Buttons with data-zoom say how: data-csv its figures (the first column is x), data-log which axes are logarithmic.

let loading = null;

function loadPlotly(address) {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => { loading = null; reject(new Error("the plot library cannot be loaded")); });
    document.head.append(script);
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

async function readCsv(address) {
  const lines = (await (await fetch(address)).text()).trim().split("\n").map((line) => line.split(","));
  const names = lines.shift();
  return names.map((name, at) => ({ name, values: lines.map((line) => (line[at] === "" ? null : Number(line[at]))) }));
}

function axis(title, isLog) {
  return { title: { text: title.replaceAll("_", " ") }, type: isLog ? "log" : "linear", gridcolor: colour("grid"),
    linecolor: colour("rule"), tickcolor: colour("rule"), zeroline: false, automargin: true };
}

function layout(columns, log) {
  const single = columns.length === 2;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 20, t: 30, b: 45 }, height: 380,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("ink") }, showlegend: !single,
    legend: { orientation: "h", y: 1.12 },
    xaxis: axis(columns[0].name, log.includes("x")),
    yaxis: axis(single ? columns[1].name : columns[1].name.replace(/^[^_]*_/, ""), log.includes("y")),
    hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("rule"), font: { color: colour("ink") } },
  };
}

async function draw(button, place) {
  const Plotly = await loadPlotly(button.dataset.zoom);
  const columns = await readCsv(button.dataset.csv);
  const colours = [colour("candidate"), colour("baseline"), colour("good"), colour("doubt"), colour("bad"), colour("soft")];
  const traces = columns.slice(1).map((column, at) => ({
    x: columns[0].values, y: column.values, name: column.name.replaceAll("_", " "), mode: "lines+markers",
    marker: { size: 4 }, line: { color: colours[at % colours.length], width: 2 },
  }));
  await Plotly.react(place, traces, layout(columns, button.dataset.log ?? ""), { responsive: true, displaylogo: false });
}

async function toggle(event) {
  const button = event.currentTarget;
  const figure = button.closest("figure");
  const drawings = figure.querySelectorAll("svg.drawing");
  let place = figure.querySelector(".zoomed");
  const opens = place === null;
  if (opens) {
    place = document.createElement("div");
    place.className = "zoomed";
    drawings[0].before(place);
    button.disabled = true;
    try {
      await draw(button, place);
    } catch (error) {
      place.textContent = error.message;
    }
    button.disabled = false;
  } else {
    window.Plotly?.purge(place);
    place.remove();
  }
  drawings.forEach((drawing) => { drawing.classList.toggle("hidden", opens); });
  button.textContent = opens ? "Back to the drawing" : "Zoom";
}

function offer() {
  document.querySelectorAll("button[data-zoom][hidden]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", toggle);
  });
}

offer();
document.addEventListener("themechange", () => {
  document.querySelectorAll("figure.plot .zoomed").forEach((place) => {
    draw(place.closest("figure").querySelector("button[data-zoom]"), place);
  });
});
