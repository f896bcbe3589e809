// Draws each chart when it comes into view, in the page's theme, and shows the chosen runs.
(() => {
  "use strict";
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const PAPER_WIDTH = 600;
  const views = new Map();
  const seen = new Set();
  document.documentElement.classList.add("scripted");
  const boxes = [...document.querySelectorAll("input[data-run]")];
  const chosen = () => boxes.filter((box) => box.checked).map((box) => box.dataset.run);

  const config = () => {
    const style = getComputedStyle(document.body);
    const probe = document.createElement("span");
    document.body.append(probe);
    const colour = (name) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    };
    const [ink, faint, line] = ["--ink", "--faint", "--line"].map(colour);
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    probe.remove();
    return {
      background: "transparent",
      font: style.fontFamily,
      axis: { labelColor: faint, titleColor: faint, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 12, labelOverlap: "parity", labelSeparation: 6 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 12 },
      title: { color: faint, fontWeight: "normal", fontSize: 12 },
      view: { stroke: null },
      range: { category: { scheme: dark ? "set2" : "dark2" } },
    };
  };

  // What is drawn for a wide window would have tiny letters on paper.
  let isPrinting = false;
  const fit = (view, id) => view.width(isPrinting ? PAPER_WIDTH : document.getElementById(id).clientWidth).run();

  const draw = async (id) => {
    const element = document.getElementById(id);
    seen.add(id);
    const tooltip = { theme: document.documentElement.dataset.theme ?? "light" };
    const result = await vegaEmbed(element, specs[id], { actions: false, ast: true, renderer: "svg", config: config(), tooltip });
    views.set(id, result.view);
    if (isPrinting) fit(result.view, id);
    if (id === "chart-curves") await showChosen();
  };

  const showChosen = async () => {
    const view = views.get("chart-curves");
    if (view && boxes.length) await view.signal("shown", chosen()).runAsync();
  };

  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      draw(entry.target.id);
    }
  }, { rootMargin: "300px" });
  for (const id of Object.keys(specs)) observer.observe(document.getElementById(id));

  for (const box of boxes) box.addEventListener("change", showChosen);
  document.addEventListener("themechange", () => seen.forEach(draw));
  for (const event of ["beforeprint", "afterprint"]) {
    addEventListener(event, () => {
      isPrinting = event === "beforeprint";
      views.forEach(fit);
    });
  }
  addEventListener("beforeprint", () => Object.keys(specs).forEach((id) => seen.has(id) || draw(id)));
})();
