// The page's clock, and charts that fit their place.
function render({ model, el }) {
  el.hidden = true;

  const patience = 5000; // ms; an answer that is not there by then is lost
  let sent = 0;
  const timer = setInterval(() => {
    const waiting = model.get("ticks") !== model.get("answered") && Date.now() - sent < patience;
    if (!model.get("playing") || waiting || document.hidden) return;
    sent = Date.now();
    model.set("ticks", model.get("answered") + 1);
    model.save_changes();
  }, model.get("interval_ms"));

  // A chart measures its place only once, perhaps before the page is laid out; it listens to the window.
  const observer = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
  const seek = setInterval(() => {
    const charts = document.querySelectorAll(".el-charts");
    if (charts.length === 0) return;
    charts.forEach((chart) => observer.observe(chart));
    clearInterval(seek);
  }, 100);

  // Sliders come without names for those who do not see the label beside them.
  const naming = setInterval(() => {
    for (const part of document.querySelectorAll(".el-page .noUi-handle, .el-page .widget-readout")) {
      const label = part.closest(".widget-slider")?.querySelector(".widget-label");
      if (!label || part.hasAttribute("aria-label")) continue;
      part.setAttribute("aria-label", label.textContent);
      if (part.isContentEditable) part.setAttribute("role", "textbox");
    }
  }, 1000);

  return () => {
    clearInterval(timer);
    clearInterval(seek);
    clearInterval(naming);
    observer.disconnect();
  };
}

export default { render };
