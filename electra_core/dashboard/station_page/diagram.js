// The station as a single-line diagram: grid, battery and site load above a busbar, chargers with their cars below.
const SVG = "http://www.w3.org/2000/svg";
const GAP = 14;
const SOURCE = { height: 62, drop: 46 };
const HEAD = 40; // of a charger's box
const ROOMY = 492; // px that the diagram fills where there is room beside it

function draw(name, attributes = {}, parent = null, text = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  parent?.append(node);
  return node;
}

const change = (node, key, value) => {
  if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
};
const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const kw = (value) => `${value.toFixed(1)} kW`;

// As much of a text as has room. A canvas measures it: measuring in the diagram would lay the page out each time.
const ruler = document.createElement("canvas").getContext("2d");
const fonts = {}; // by the class of a text
const fontOf = (node) => {
  const { fontWeight, fontSize, fontFamily } = getComputedStyle(node);
  return `${fontWeight} ${fontSize} ${fontFamily}`;
};
function fit(node, text, width) {
  ruler.font = fonts[node.getAttribute("class")] ??= fontOf(node);
  let shown = text, most = text.length;
  while (most > 3 && ruler.measureText(shown).width > width) shown = `${text.slice(0, (most -= 1)).trimEnd()}…`;
  say(node, shown);
}

// A wire, and on it dashes that move as fast as power flows.
function wire(parent, path, kind) {
  draw("path", { d: path, class: "el-wire" }, parent);
  const flow = draw("path", { d: path, class: `el-flow el-${kind}` }, parent);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const motion = still ? null : flow.animate(
    [{ strokeDashoffset: 0 }, { strokeDashoffset: -18 }], { duration: 1000, iterations: Infinity });
  motion?.pause();
  let last = 1;
  return (power, colour = null) => {
    const flows = Math.abs(power) > 0.05;
    flow.style.display = flows ? "" : "none";
    if (colour) change(flow, "class", `el-flow el-${colour}`);
    if (!motion) return;
    // 100 kW move two dashes a second; less than nothing goes the other way.
    if (flows) {
      const way = Math.sign(power);
      if (way !== last) motion.effect.setKeyframes([{ strokeDashoffset: 0 }, { strokeDashoffset: -18 * way }]);
      last = way;
      motion.updatePlaybackRate(Math.max(8, Math.abs(power)) / 50);
      if (motion.playState !== "running") motion.play();
    } else if (motion.playState === "running") motion.pause();
  };
}

function source(parent, x, width, title, icon) {
  const box = draw("g", { class: "el-source" }, parent);
  draw("rect", { x, y: 0.5, width, height: SOURCE.height, rx: 9, class: "el-box" }, box);
  const narrow = width < 150;
  const left = x + (narrow ? 9 : 48);
  if (!narrow) draw("path", { d: icon, transform: `translate(${x + 12} 17) scale(1.2)`, class: "el-icon" }, box);
  draw("text", { x: left, y: 18, class: "el-quiet" }, box, title);
  const power = draw("text", { x: left, y: 37, class: "el-power" }, box);
  const note = draw("text", { x: left, y: 53, class: "el-quiet" }, box);
  const level = draw("rect", { x: x + 1, y: SOURCE.height - 2.5, width: 0, height: 3, rx: 1.5, class: "el-level" }, box);
  return ({ power_kw, words, part, held }) => {
    say(power, kw(Math.abs(power_kw)));
    change(note, "class", held ? "el-quiet el-held" : "el-quiet");
    fit(note, words, width - (left - x) - 4);
    change(level, "width", Math.max(0, Math.min(1, part)) * (width - 2));
    change(level, "class", held ? "el-level el-over" : "el-level");
  };
}

const PYLON = "M10 0 4 26M10 0l6 26M2 8h16M0 8v3M20 8v3M7.5 11h5M6 17l8 5M14 17l-8 5";
const CELL = "M1 5h18v20H1zM7 5V1h6v4M11.5 8 7 16h3l-1 6 5-9h-3.5z";
const HOUSE = "M1 12 10 3l9 9M4 10v15h12V10M8 25v-8h4v8";

// A connector and, if there is one, its car.
function tile(parent, connector, connectorId, box, press) {
  const { x, y, width, height } = box;
  const group = draw("g", { class: "el-tile", role: "button", tabindex: 0 }, parent);
  const title = draw("title", {}, group);
  const back = draw("rect", { x, y, width, height, rx: 8, class: "el-connector" }, group);
  draw("rect", { x, y: y + 6, width: 4, height: height - 12, rx: 2, fill: connector.colour }, group);
  const radius = Math.min(40, height / 2 - 10);
  const cx = x + 14 + radius, cy = y + height / 2, round = 2 * Math.PI * radius;
  draw("circle", { cx, cy, r: radius, class: "el-ring" }, group);
  const turn = `rotate(-90 ${cx} ${cy})`;
  const arc = draw("circle", { cx, cy, r: radius, class: "el-arc", transform: turn }, group);
  const target = draw("line", { x1: cx + radius - 4, x2: cx + radius + 4, y1: cy, y2: cy, class: "el-target" }, group);
  const soc = draw("text", { x: cx, y: cy + 5, class: "el-soc" }, group);
  const left = cx + radius + 14, room = x + width - left - 6;
  const lines = [-1, 0, 1].map((line) => draw("text", { x: left, y: cy + 5 + line * Math.min(26, height / 4) }, group));
  const act = () => press(connectorId);
  group.addEventListener("click", act);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
  return (now, selected) => {
    const car = now.car;
    const words = car
      ? [`${now.label}  ${car.name}`, `${car.power_kw.toFixed(1)} of ${kw(car.max_kw)}`, car.reason]
      : [now.label, now.available ? "free" : "out of service", now.available ? "+ a car arrives" : ""];
    lines.forEach((line, at) => change(line, "class", [
      "el-name", car ? "el-power" : "el-quiet", car?.held ? "el-held" : now.available && !car ? "el-invite" : "el-quiet",
    ][at]));
    lines.forEach((line, at) => fit(line, words[at], room));
    change(back, "class", `el-connector ${car ? "" : "el-free"} ${now.available ? "" : "el-out"} ${selected ? "el-chosen" : ""}`);
    const known = car && car.soc !== null;
    change(arc, "stroke-dasharray", `${known ? round * car.soc : 0} ${round}`);
    target.style.display = known ? "" : "none";
    if (known) change(target, "transform", `rotate(${360 * car.target_soc - 90} ${cx} ${cy})`);
    say(soc, car ? (known ? `${Math.round(100 * car.soc)}%` : "?") : now.available ? "+" : "✕");
    const said = car
      ? `${words.join(", ")}${known ? `, ${Math.round(100 * car.soc)} of ${Math.round(100 * car.target_soc)} per cent` : ""}`
      : `${now.label}, ${words[1]}`;
    say(title, said);
    change(group, "aria-label", said);
    change(group, "aria-disabled", String(!car && !now.available));
  };
}

function charger(parent, now, x, y, width, across, height, press) {
  const rows = Math.ceil(now.connectors.length / across);
  const whole = HEAD + rows * (height + 6) + 4;
  draw("rect", { x, y, width, height: whole, rx: 10, class: "el-box" }, parent);
  fit(draw("text", { x: x + 12, y: y + 18, class: "el-name" }, parent), now.id, width * 0.4);
  const power = draw("text", { x: x + width - 12, y: y + 18, class: "el-quiet el-end" }, parent);
  draw("rect", { x: x + 12, y: y + 26, width: width - 24, height: 4, rx: 2, class: "el-track" }, parent);
  const level = draw("rect", { x: x + 12, y: y + 26, width: 0, height: 4, rx: 2, class: "el-level" }, parent);
  const tileWidth = (width - 12 - 6 * (across - 1)) / across;
  const tiles = now.connectors.map((connector, at) => tile(parent, connector, [now.id, at + 1], {
    x: x + 6 + (at % across) * (tileWidth + 6), y: y + HEAD + Math.floor(at / across) * (height + 6), width: tileWidth, height,
  }, press));
  return (later, chosen) => {
    say(power, later.available ? `${later.power_kw.toFixed(1)} of ${later.limit_kw.toFixed(0)} kW` : "out of service");
    change(level, "width", Math.min(1, later.power_kw / later.limit_kw) * (width - 24));
    tiles.forEach((update, at) => update(later.connectors[at], chosen === later.connectors[at].label));
  };
}

// Draws what does not change, and returns the function that updates the rest.
function plan(svg, content, width, press) {
  svg.replaceChildren();
  const updates = [];
  const sources = 3, box = Math.min(250, (width - GAP * (sources - 1)) / sources);
  const step = sources > 1 ? (width - box) / (sources - 1) : 0;
  const count = content.chargers.length;
  const connectors = Math.max(...content.chargers.map((each) => each.connectors.length));
  const fits = Math.max(1, Math.floor((width + GAP) / (252 + GAP)));
  const columns = Math.min(count, fits);
  const each = Math.min(columns === 1 ? 760 : 420, (width - GAP * (columns - 1)) / columns);
  const across = Math.max(1, Math.min(connectors, Math.floor(each / 250)));
  const rows = Math.ceil(count / columns), deep = Math.ceil(connectors / across);
  const least = count > 8 ? 62 : 74;
  // Spare height makes tiles taller, and then wires longer.
  const needed = SOURCE.height + SOURCE.drop + rows * (34 + HEAD + deep * (least + 6) + 20);
  const spare = width > 560 ? Math.max(0, ROOMY - needed) : 0;
  const taller = Math.min(56, spare / (rows * deep)), longer = (spare - taller * rows * deep) / (rows + 1);
  const height = least + taller, feeder = 34 + longer;
  const bus = SOURCE.height + SOURCE.drop + longer;
  const flows = draw("g", {}, svg);
  const drop = (at) => `M${at * step + box / 2} ${SOURCE.height}V${bus}`;
  const rise = (at) => `M${at * step + box / 2} ${bus}V${SOURCE.height}`;
  const inlets = [["grid", "grid", "Grid", PYLON, drop], ["battery", "battery", "Battery", CELL, drop],
    ["site", "static", "Site itself", HOUSE, rise]];
  inlets.forEach(([name, colour, title, icon, path], at) => {
    const flow = wire(flows, path(at), colour);
    const update = source(svg, at * step, box, title, icon);
    updates.push((now) => {
      update(now[name]);
      const sent = name === "battery" ? -now.battery.power_kw : now[name].power_kw;
      flow(sent, name === "battery" && sent < 0 ? "charging" : colour);
    });
  });

  const start = (width - columns * each - (columns - 1) * GAP) / 2;
  let y = bus;
  for (let first = 0; first < count; first += columns) {
    const row = content.chargers.slice(first, first + columns);
    draw("path", { d: `M3 ${y}H${first ? start + (row.length - 1) * (each + GAP) + each / 2 : width - 3}`, class: "el-bus" }, svg);
    const top = y + feeder;
    let deepest = 0;
    row.forEach((now, at) => {
      const x = start + at * (each + GAP), middle = x + each / 2;
      const grid = wire(flows, `M${middle - 4} ${y}V${top}`, "grid");
      const battery = wire(flows, `M${middle + 4} ${y}V${top}`, "battery");
      const label = draw("text", { x: middle + 14, y: y + feeder / 2 + 4, class: "el-quiet" }, svg);
      const update = charger(svg, now, x, top, each, across, height, press);
      const number = first + at;
      updates.push((content) => {
        const later = content.chargers[number];
        grid(later.grid_kw);
        battery(later.battery_kw);
        say(label, kw(later.power_kw));
        update(later, content.selected?.label);
      });
      deepest = Math.max(deepest, HEAD + Math.ceil(now.connectors.length / across) * (height + 6) + 4);
    });
    y = top + deepest + 16;
    if (first + columns < count) draw("path", { d: `M3 ${bus}V${y}`, class: "el-bus" }, svg);
  }
  change(svg, "viewBox", `0 0 ${width} ${y - 14}`);
  change(svg, "height", y - 14);
  return (content) => updates.forEach((update) => update(content));
}

// The explanation of the selected car's power, and its departure.
function details(parent, send) {
  const box = document.createElement("div");
  box.className = "el-details";
  box.hidden = true;
  parent.append(box);
  const put = (name, text, parent = box, kind = "") => {
    const node = document.createElement(name);
    node.textContent = text;
    node.className = kind;
    parent.append(node);
    return node;
  };
  const title = put("h3", ""), lines = put("div", "");
  const buttons = put("div", "", box, "el-row");
  const go = put("button", "This car departs", buttons, "jupyter-button");
  const close = put("button", "Close", buttons, "jupyter-button");
  let shown = null;
  go.onclick = () => shown && send({ kind: "depart", connector_id: shown.connector_id });
  close.onclick = () => send({ kind: "close" });
  box.onkeydown = (event) => event.key === "Escape" && send({ kind: "close" });
  return (selected) => {
    const opens = selected && selected.label !== shown?.label;
    shown = selected;
    box.hidden = !selected;
    if (!selected) return;
    say(title, selected.title);
    while (lines.children.length < selected.lines.length) put("p", "", lines);
    [...lines.children].forEach((line, at) => say(line, selected.lines[at] ?? ""));
    if (opens) box.scrollIntoView({ block: "nearest" });
  };
}

function render({ model, el }) {
  el.classList.add("el-diagram");
  const svg = draw("svg", { width: "100%", role: "group", "aria-label": "The station as a diagram" }, el);
  const send = (message) => model.send(message);
  const explain = details(el, send);
  let drawn = "", update = null;

  function show() {
    const content = model.get("content"), width = Math.floor(el.clientWidth);
    if (!width || !content.chargers) return;
    const shape = JSON.stringify([width, content.station, content.chargers.map((each) => [each.id, each.connectors.length])]);
    if (shape !== drawn) {
      drawn = shape;
      update = plan(svg, content, width, (connectorId) => send({ kind: "press", connector_id: connectorId }));
    }
    update(content);
    explain(content.selected);
  }

  const watch = new ResizeObserver(show);
  watch.observe(el);
  model.on("change:content", show);
  show();
  return () => watch.disconnect();
}

export default { render };
