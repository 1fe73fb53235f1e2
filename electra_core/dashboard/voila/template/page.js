// What the page does by itself: it waits with the visitor, shows the station once it is painted, and says so when
// the station is gone. It runs before everything else and needs nothing else.
window.electra = (() => {
  const sentences = {
    failed: "The station could not start. Reload the page to try again.",
    stopped: "The station has stopped. Reload the page to start it again.",
    away: "The connection to the station is lost. If it does not come back by itself, reload the page.",
  };
  const gone = new Set(["restarting", "autorestarting", "terminating", "dead"]);
  const startLimit = 120_000; // ms until something has to be painted
  let wholePage = false; // the server has sent the last line
  let shown = false;
  let over = false; // the station cannot come back without a reload

  const find = (id) => document.getElementById(id);

  function show() {
    shown = true;
    document.documentElement.classList.add("electra-ready");
  }

  function say(reason) {
    const bar = find("electra-stopped");
    if (!bar || over) return;
    over = reason === "failed" || reason === "stopped";
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
      if (shown) observer.disconnect();
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
      else timer = setTimeout(say, 3000, "away"); // a blink of the network is no news
    });
  }

  function waitForKernel() {
    const kernel = window.jupyterapp?.widgetManager?.kernel;
    if (kernel) watchKernel(kernel);
    else if (!over) setTimeout(waitForKernel, 200);
  }

  // A server that fails half-way may close the page early, or keep it open and never send the rest.
  addEventListener("load", () => (wholePage ? waitForKernel() : say("failed")));
  setTimeout(() => shown || say("failed"), startLimit);

  // A page taken from the browser's history has lost its kernel: start afresh.
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
      wholePage = true;
      // A server that is out of breath may leave out what a cell had to show.
      if (!document.querySelector("#rendered_cells .jp-CodeCell")) say("failed");
    },
  };
})();
