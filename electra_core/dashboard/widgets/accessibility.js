// Names sliders for screen readers, which do not see the label beside them, and tells the state of buttons.
function render({ el }) {
  el.hidden = true;

  const set = (part, name, value) => part.getAttribute(name) === value || part.setAttribute(name, value);
  const name = () => {
    for (const part of document.querySelectorAll(".el-page .noUi-handle, .el-page .widget-readout")) {
      const label = part.closest(".widget-slider")?.querySelector(".widget-label");
      if (label) set(part, "aria-label", label.textContent);
      if (part.isContentEditable) set(part, "role", "textbox");
    }
    for (const part of document.querySelectorAll(".el-page .widget-toggle-button")) {
      set(part, "aria-pressed", String(part.classList.contains("mod-active")));
    }
  };
  const naming = setInterval(name, 500);

  return () => clearInterval(naming);
}

export default { render };
