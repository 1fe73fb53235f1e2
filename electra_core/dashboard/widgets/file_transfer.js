// Loads and saves files: a file is measured before it is sent, and a saved one is made in the browser.
function render({ model, el }) {
  el.classList.add("el-files");
  const said = document.createElement("p");
  said.className = "el-note";
  said.setAttribute("role", "status");

  const make = (name, parent, properties = {}) => {
    const node = Object.assign(document.createElement(name), properties);
    parent.append(node);
    return node;
  };

  function loader(item) {
    const label = make("label", el, { className: "el-load" });
    make("span", label, { textContent: item.label });
    const input = make("input", label, { type: "file", accept: item.accept });
    input.onchange = async () => {
      const [file] = input.files;
      input.value = ""; // the same file may come again
      if (!file) return;
      if (file.size > model.get("max_bytes")) {
        said.textContent = `${file.name.slice(0, 80)} has ${(file.size / 1e6).toFixed(0)} MB; `
          + `this page takes ${(model.get("max_bytes") / 1e6).toFixed(0)} MB at most.`;
        return;
      }
      said.textContent = `Reading ${file.name.slice(0, 80)} …`;
      model.send({ kind: "load", what: item.what, name: file.name.slice(0, 200) }, undefined, [await file.arrayBuffer()]);
    };
  }

  function saver(item) {
    const button = make("button", el, { type: "button", textContent: item.label, className: "jupyter-button" });
    button.onclick = () => {
      said.textContent = "Making the file …";
      model.send({ kind: "save", what: item.what });
    };
  }

  function linker(item) {
    const line = make("p", el, { className: "el-link" });
    const link = make("a", line, { textContent: item.label });
    const show = () => { link.href = `${location.pathname}?${model.get("query")}`; };
    model.on("change:query", show);
    show();
  }

  const makers = { load: loader, save: saver, link: linker };
  for (const item of model.get("items")) makers[item.kind](item);
  el.append(said);

  const receive = (message, buffers) => {
    said.textContent = message.said ?? "";
    if (message.kind !== "file") return;
    const address = URL.createObjectURL(new Blob([buffers[0]], { type: message.mime }));
    const link = Object.assign(document.createElement("a"), { href: address, download: message.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  model.on("msg:custom", receive);
  return () => model.off("msg:custom", receive);
}

export default { render };
