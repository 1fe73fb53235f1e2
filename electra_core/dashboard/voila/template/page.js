// The page around the widgets: a waiting screen, the station once it is painted, and a message when its kernel
// is gone. It runs before every other script and depends on none.
window.electra = (() => {
  const sentences = {
    failed: "The station could not start. Reload the page to try again.",
    stopped: "The station has stopped. Reload the page to start it again.",
    away: "The connection to the station is lost. If it does not come back by itself, reload the page.",
  };
  const gone = new Set(["restarting", "autorestarting", "terminating", "dead"]);
  const startLimit = 120_000; // ms until something has to be painted
  let isComplete = false; // the server has sent the last line
  let isShown = false;
  let isOver = false; // the station cannot come back without a reload

  const find = (id) => document.getElementById(id);

  function show() {
    isShown = true;
    document.documentElement.classList.add("electra-ready");
  }

  function say(reason) {
    const bar = find("electra-stopped");
    if (!bar || isOver) return;
    isOver = reason === "failed" || reason === "stopped";
    bar.replaceChildren(sentences[reason] || "");
    if (reason) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Reload";
      button.onclick = () => location.reload();
      bar.append(button);
    }
    bar.hidden = !reason;
    if (reason) show();
  }

  // Ready means painted: the first chart, or a moment after the first widget on a page without charts.
  function watchForPaint(cells) {
    let waiting = false;
    const observer = new MutationObserver(() => {
      if (cells.querySelector(".main-svg")) {
        show();
      } else if (!waiting && cells.querySelector(".jupyter-widgets")) {
        waiting = true;
        setTimeout(show, 1500);
      }
      if (isShown) observer.disconnect();
    });
    observer.observe(cells, { childList: true, subtree: true });
  }

  function watchKernel(kernel) {
    let timer;
    kernel.statusChanged.connect((_, status) => gone.has(status) && say("stopped"));
    kernel.connectionStatusChanged.connect((_, status) => {
      clearTimeout(timer);
      if (status === "connected") say("");
      else if (status === "disconnected") say("stopped");
      else timer = setTimeout(say, 3000, "away"); // a short loss needs no message
    });
  }

  function waitForKernel() {
    const kernel = window.jupyterapp?.widgetManager?.kernel;
    if (kernel) watchKernel(kernel);
    else if (!isOver) setTimeout(waitForKernel, 200);
  }

  // A server that fails half-way may close the page early, or keep it open and never send the rest.
  addEventListener("load", () => (isComplete ? waitForKernel() : say("failed")));
  setTimeout(() => isShown || say("failed"), startLimit);

  // A page restored from the browser's history has lost its kernel: load it again.
  addEventListener("pageshow", (event) => event.persisted && location.reload());

  // Voila calls these by name.
  window.voila_heartbeat = () => {};
  window.voila_process = () => {};
  window.voila_finish = () => setTimeout(show, 3000); // for a page without any widget
  window.cellLoaded = true;

  return {
    afterPaint: (job) => requestAnimationFrame(() => setTimeout(job)),
    stopped: say,
    started: () => watchForPaint(find("rendered_cells")),
    sent: () => {
      isComplete = true;
      // An overloaded server may leave out a cell's output.
      if (!document.querySelector("#rendered_cells .jp-CodeCell")) say("failed");
    },
  };
})();
