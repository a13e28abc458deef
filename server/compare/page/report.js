// Draws the charts of a report from the JSON in #data. Colours come from the style sheet, so that light, dark and print
// have one source; the charts are drawn again when the scheme changes.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const FONT = 'system-ui, "Segoe UI", sans-serif';
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const armColour = (index) => colour(index === 0 ? "baseline" : "candidate");
  const narrow = () => window.innerWidth < 640;

  function nsText(ns) {
    const units = [["s", 1e9], ["ms", 1e6], ["us", 1e3], ["ns", 1]];
    const [unit, size] = units.find(([, least]) => ns >= least * 0.9995) || units[3];
    return `${Number((ns / size).toPrecision(3))} ${unit}`;
  }

  function axis(more) {
    return {
      gridcolor: colour("grid"), linecolor: colour("rule"), zeroline: false, ticks: "outside",
      tickcolor: colour("rule"), automargin: true, fixedrange: false, ...more,
    };
  }

  function layout(more) {
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: FONT, size: 14, color: colour("ink") },
      margin: { l: 60, r: 30, t: 36, b: 50 }, showlegend: true,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("soft"), activecolor: colour("ink") },
      hoverlabel: { bgcolor: colour("panel"), bordercolor: colour("rule"), font: { color: colour("ink") } },
      ...more,
    };
  }

  // Ticks of a logarithmic axis of ns: decades with their unit.
  function latencyTicks(values) {
    const lowest = Math.floor(Math.log10(Math.max(1, Math.min(...values))));
    const highest = Math.ceil(Math.log10(Math.max(...values)));
    const exponents = [];
    for (let e = lowest; e <= highest; e += 1) exponents.push(e);
    return { tickvals: exponents.map((e) => 10 ** e), ticktext: exponents.map((e) => nsText(10 ** e)) };
  }

  function rulers(along) {
    if (!data.hz) return { shapes: [], annotations: [] };
    const band = { type: "rect", fillcolor: colour("band"), line: { width: 0 }, layer: "below" };
    const [from, to] = [1e9 / data.hz, 2e9 / data.hz];
    const shapes = [along === "y" ? { ...band, xref: "paper", x0: 0, x1: 1, y0: from, y1: to }
      : { ...band, yref: "paper", y0: 0, y1: 1, x0: from, x1: to }];
    const annotations = [];
    for (const ticks of [1, 2]) {
      const ns = (ticks * 1e9) / data.hz;
      const label = `<b>${ticks}/HZ = ${nsText(ns)}</b>${ticks === 1 ? ": slept one tick" : ""}`;
      const line = { color: colour("soft"), width: 1.5, dash: "dash" };
      if (along === "y") {
        shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: ns, y1: ns, line });
        annotations.push({
          xref: "paper", x: 0.01, xanchor: "left", yref: "y", y: Math.log10(ns), yanchor: ticks === 1 ? "top" : "bottom",
          text: label, showarrow: false, font: { color: colour("soft"), size: 13 },
        });
      } else {
        shapes.push({ type: "line", yref: "paper", y0: 0, y1: 1, x0: ns, x1: ns, line });
        annotations.push({
          yref: "paper", y: 0.02, yanchor: "bottom", xref: "x", x: Math.log10(ns),
          xanchor: ticks === 1 ? "right" : "left", text: ticks === 1 ? "1/HZ " : " 2/HZ", showarrow: false,
          font: { color: colour("soft"), size: 13 },
        });
      }
    }
    return { shapes, annotations };
  }

  function percentLabel(tail) {
    return tail === 1 ? "0 %" : `${Number((100 * (1 - 1 / tail)).toFixed(8))} %`;
  }

  function transparent(hex, alpha) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${alpha})`;
  }

  function drawPercentiles(id) {
    const traces = [];
    const latencies = data.hz ? [2e9 / data.hz] : [];
    let deepest = 10;
    data.arms.forEach((arm, index) => {
      const curve = arm.percentiles;
      if (!curve.tail.length) return;
      latencies.push(...curve.latency_ns, ...curve.low_ns, ...curve.high_ns);
      deepest = Math.max(deepest, curve.tail.at(-1));
      traces.push({
        x: [...curve.band_tail, ...curve.band_tail.toReversed()], y: [...curve.high_ns, ...curve.low_ns.toReversed()],
        fill: "toself", fillcolor: transparent(armColour(index), 0.15), line: { width: 0 }, mode: "lines",
        hoverinfo: "skip", showlegend: false,
      });
      traces.push({
        x: curve.tail, y: curve.latency_ns, name: arm.name, mode: "lines",
        line: { color: armColour(index), width: 3.5, dash: index === 0 ? "solid" : "12px,3px" },
        text: curve.tail.map((tail, at) => `${percentLabel(tail)}: ${nsText(curve.latency_ns[at])}`),
        hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
      });
    });
    const tails = [...(narrow() ? [] : [1]), 2, 10, 100, 1e3, 1e4, 1e5, 1e6].filter((tail) => tail <= deepest * 1.01);
    Plotly.react(id, traces, layout({
      ...rulers("y"),
      xaxis: axis({ type: "log", title: { text: "percentile of swap-ins" }, tickvals: tails, ticktext: tails.map(percentLabel), tickangle: 0,
        range: [0, Math.log10(deepest) + 0.05] }),
      yaxis: axis({ type: "log", title: { text: narrow() ? "" : "latency of a swap-in" }, ...latencyTicks(latencies) }),
    }), { responsive: true, displaylogo: false });
  }

  function drawEcdf(id) {
    const latencies = [];
    const traces = data.arms.map((arm, index) => {
      latencies.push(...arm.ecdf.latency_ns);
      return {
        x: arm.ecdf.latency_ns, y: arm.ecdf.share.map((share) => 100 * share), name: arm.name, mode: "lines",
        line: { color: armColour(index), width: 3, dash: index === 0 ? "solid" : "12px,3px" },
        text: arm.ecdf.latency_ns.map((ns, at) => `${(100 * arm.ecdf.share[at]).toFixed(3)} % within ${nsText(ns)}`),
        hovertemplate: "%{text}<extra>%{fullData.name}</extra>",
      };
    });
    if (!latencies.length) return;
    Plotly.react(id, traces, layout({
      ...rulers("x"),
      xaxis: axis({ type: "log", title: { text: "latency of a swap-in" }, ...latencyTicks(latencies) }),
      yaxis: axis({ title: { text: narrow() ? "" : "share of swap-ins" }, ticksuffix: " %", range: [0, 101] }),
    }), { responsive: true, displaylogo: false });
  }

  function drawWaits(id) {
    const causes = Object.keys(data.causes);
    document.getElementById(id).style.height = `${Math.max(220, 130 + 46 * causes.length)}px`;
    const traces = data.arms.map((arm, index) => {
      const values = causes.map((cause) => arm.waits[cause] || 0);
      return {
        type: "bar", orientation: "h", name: arm.name, y: causes.map((cause) => data.causes[cause]),
        x: values.map((ns) => ns / 1e3), text: values.map((ns) => (ns > 0 ? nsText(ns) : "none")), textposition: "outside",
        cliponaxis: false, marker: { color: armColour(index), },
        hovertemplate: "%{y}: %{text} a swap-in<extra>%{fullData.name}</extra>",
      };
    });
    const longest = Math.max(0.001, ...traces.flatMap((trace) => trace.x));
    Plotly.react(id, traces, layout({
      barmode: "group", bargap: 0.3,
      xaxis: axis({ title: { text: "us of waiting a swap-in" }, range: [0, longest * 1.15] }),
      yaxis: axis({ autorange: "reversed", ticks: "" }),
    }), { responsive: true, displaylogo: false });
  }

  function drawDifferences(id) {
    const shown = data.metrics.filter((metric) => metric.estimate !== null);
    const chart = document.getElementById(id);
    if (!shown.length) {
      chart.style.display = "none";
      return;
    }
    const dots = { x: [], y: [], text: [] };
    shown.forEach((metric, row) => metric.ratios.forEach((ratio, at) => {
      dots.x.push(ratio);
      dots.y.push(row + 0.22 * (at / Math.max(1, metric.ratios.length - 1) - 0.5) + 0.2);
      dots.text.push(`${metric.label}, block ${metric.blocks[at]}: x ${ratio.toPrecision(3)}`);
    }));
    const bounds = shown.map((metric) => metric.interval || [metric.estimate, metric.estimate]);
    const all = [...dots.x, ...bounds.flat(), 1 - data.margin, 1 + data.margin];
    const ticks = [0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 0.8, 0.9, 1, 1.1, 1.25, 2, 5, 10, 30, 100, 300, 1000];
    const [least, most] = [Math.min(...all) / 1.15, Math.max(...all) * 1.15];
    const wide = Math.log10(most / least) > 1;
    const kept = ticks.filter((t) => t > least && t < most && !(wide && [0.8, 0.9, 1.1, 1.25].includes(t)));
    Plotly.react(id, [
      { ...dots, mode: "markers", name: "pair", hovertemplate: "%{text}<extra></extra>", showlegend: dots.x.length > 0,
        marker: { color: transparent(colour("candidate"), 0.55), size: 8 } },
      { x: shown.map((m) => m.estimate), y: shown.map((_, row) => row - 0.12), mode: "markers",
        name: "estimate with 95 % interval", marker: { color: colour("ink"), size: 12, symbol: "diamond" },
        text: shown.map((m) => `${m.label}: x ${m.estimate.toPrecision(3)}, ${m.verdict}`),
        hovertemplate: "%{text}<extra></extra>",
        error_x: { type: "data", symmetric: false, color: colour("ink"), thickness: 2.5, width: 7,
          array: shown.map((m, row) => bounds[row][1] - m.estimate),
          arrayminus: shown.map((m, row) => m.estimate - bounds[row][0]) } },
    ], layout({
      shapes: [
        { type: "rect", yref: "paper", y0: 0, y1: 1, x0: 1 - data.margin, x1: 1 + data.margin, fillcolor: colour("band"),
          line: { width: 0 }, layer: "below" },
        { type: "line", yref: "paper", y0: 0, y1: 1, x0: 1, x1: 1, line: { color: colour("soft"), width: 1.5 } },
      ],
      xaxis: axis({ type: "log", title: { text: "ratio of candidate to baseline" }, range: [Math.log10(least), Math.log10(most)],
        tickvals: kept, ticktext: kept.map((t) => `x ${t}`) }),
      yaxis: axis({ tickvals: shown.map((_, row) => row), ticktext: shown.map((m) => m.label), ticks: "",
        range: [shown.length - 0.5, -0.5] }),
    }), { responsive: true, displaylogo: false });
  }

  function draw() {
    drawPercentiles("chart-percentiles");
    drawWaits("chart-waits");
    drawDifferences("chart-differences");
    drawEcdf("chart-ecdf");
  }

  draw();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((element) => { element.open = true; });
    draw();
  });
  window.addEventListener("afterprint", draw);
})();
