"""What a report's page runs, beside plotly: it draws the figures, and readies them for paper."""

SCRIPT = """
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const canHover = matchMedia("(hover: hover)").matches;
  const options = {
    responsive: true,
    displaylogo: false,
    displayModeBar: canHover ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const plots = [...document.querySelectorAll(".plot")];
  const drawn = new Set();
  const draw = (plot) => {
    if (drawn.has(plot)) return Promise.resolve();
    drawn.add(plot);
    const { data, layout } = figures[plot.dataset.figure];
    return Plotly.newPlot(plot, data, layout, options);
  };
  window.drawAll = () => Promise.all(plots.map(draw));

  // What is in sight first, the others one at a time while the reader reads.
  const sight = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
  }, { rootMargin: "600px" });
  plots.forEach((plot) => sight.observe(plot));
  const later = window.requestIdleCallback || ((act) => setTimeout(act, 50));
  const drawNext = () => {
    const plot = plots.find((one) => !drawn.has(one));
    if (plot) draw(plot).then(() => later(drawNext));
  };
  later(drawNext);

  // Paper has another width, and cannot be clicked: short folds are open on it.
  const resize = () => drawn.forEach((plot) => Plotly.Plots.resize(plot));
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open]):not([data-long])")];
    opened.forEach((fold) => { fold.open = true; });
    window.drawAll();
    resize();
  });
  window.addEventListener("afterprint", () => {
    opened.forEach((fold) => { fold.open = false; });
    resize();
  });
})();
"""
