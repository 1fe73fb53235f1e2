// The page's clock, and charts that fit their place.
function render({ model, el }) {
  el.hidden = true;

  const timer = setInterval(() => {
    const waiting = model.get("ticks") !== model.get("answered");
    if (!model.get("playing") || waiting || document.hidden) return;
    model.set("ticks", model.get("ticks") + 1);
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

  return () => {
    clearInterval(timer);
    clearInterval(seek);
    observer.disconnect();
  };
}

export default { render };
