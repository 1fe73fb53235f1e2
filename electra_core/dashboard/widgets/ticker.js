// The page's ticker, and what only the browser knows: the page's width and its address.
function render({ model, el }) {
  el.hidden = true;

  const patience = 5000; // ms; an answer that is not there by then is lost
  let sent = 0;
  const timer = setInterval(() => {
    const waiting = model.get("ticks") !== model.get("answered") && Date.now() - sent < patience;
    if (!(model.get("playing") || model.get("following")) || waiting || document.hidden) return;
    sent = Date.now();
    model.set("ticks", model.get("answered") + 1);
    model.save_changes();
  }, model.get("interval_ms"));

  // A link to this page may name what to open. JupyterLab's address is its own.
  if (document.body.dataset.voila && location.search.length > 1) {
    model.set("query", location.search.slice(1, 2000));
    model.save_changes();
  }

  // A chart measures its element only once, perhaps before the page is laid out; it listens to the window.
  const observer = new ResizeObserver(([entry]) => {
    window.dispatchEvent(new Event("resize"));
    const columns = entry.contentRect.width < 760 ? 1 : 2;
    if (!entry.contentRect.width || columns === model.get("columns")) return;
    model.set("columns", columns);
    model.save_changes();
  });
  const seek = setInterval(() => {
    const charts = document.querySelectorAll(".el-charts");
    if (charts.length === 0) return;
    charts.forEach((chart) => observer.observe(chart));
    clearInterval(seek);
  }, 50);

  return () => {
    for (const each of [timer, seek]) clearInterval(each);
    observer.disconnect();
  };
}

export default { render };
