// A pad on the Style Mix node: drag a point between the connected styles to set their weights.
//
// The number widgets hold the weights, here as without this file; the pad only shows and writes them. It therefore
// saves nothing, and follows whatever changes them: typing, code, undo, a workflow that is loaded. It stands on
// LiteGraph's canvas and in Nodes 2.0.

import { app } from "../../scripts/app.js";
import { textsFor } from "./style_mix_texts.js";
import { CORNERS, pointOf, rounded, weightsAt } from "./style_mix_weights.js";

const NODE = "AdaINStyleMix";
const HEIGHT = 150; // pixels, at least; a taller node has a taller pad
const NODES2_HEIGHT = 110; // in Nodes 2.0: a node is then as high as on LiteGraph's canvas
const STEP = 0.01; // of an arrow key, in widths of the pad
const LARGE_STEP = 0.1; // with shift
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const STYLE = `
.adain-pad { box-sizing: border-box; min-height: ${NODES2_HEIGHT}px; padding: 14px; border-radius: 8px;
  background: var(--comfy-input-bg, #222); color: var(--input-text, #ddd); font: 11px sans-serif; cursor: crosshair;
  touch-action: none; user-select: none; }
.adain-pad:focus-visible { outline: 2px solid var(--p-primary-color, #4a9eff); }
.adain-pad[aria-disabled="true"] { cursor: default; }
.adain-pad > div { position: relative; width: 100%; height: 100%; }
.adain-pad svg { position: absolute; width: 100%; height: 100%; overflow: visible; }
.adain-pad polygon { fill: currentColor; fill-opacity: 0.08; stroke: currentColor; stroke-opacity: 0.5;
  vector-effect: non-scaling-stroke; }
.adain-pad span { position: absolute; box-sizing: border-box; width: 18px; height: 18px; margin: -9px; border-radius: 50%;
  border: 1px solid currentColor; background: var(--comfy-input-bg, #222); line-height: 16px; text-align: center; }
.adain-pad span.off { border-style: dashed; opacity: 0.35; }
.adain-pad i { position: absolute; box-sizing: border-box; width: 14px; height: 14px; margin: -7px; border-radius: 50%;
  border: 2px solid #fff; background: var(--p-primary-color, #4a9eff); box-shadow: 0 0 2px #000; }
.adain-pad[aria-disabled="true"] i { background: #888; }
`;

app.registerExtension({
  name: "adainstyletransfer.StyleMixPad",

  nodeCreated(node) {
    if (node.constructor.comfyClass === NODE) addPad(node);
  },
});

function addPad(node) {
  const weights = CORNERS.map((_, k) => node.widgets?.find((widget) => widget.name === `weight_${k + 1}`));
  if (!weights.every(Boolean)) return;

  const texts = textsFor(app.extensionManager.setting.get("Comfy.Locale"));
  const { pad, field, shape, labels, dot } = elements(texts);
  let shown = ""; // what of the node the pad shows now
  let connected = [];
  let point = null; // of the unit square; finer than the rounded weights, so that small steps add up

  function hasLink(name) {
    const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
    return slot >= 0 && node.isInputConnected(slot);
  }

  function draw() {
    dot.hidden = !point;
    if (point) place(dot, point);
    const sum = connected.reduce((total, k) => total + weights[k].value, 0);
    const percent = (k) => Math.round((100 * weights[k].value) / sum);
    const parts = connected.map((k) => texts.weight(k + 1, percent(k)));
    const text = !connected.length ? texts.none : !sum ? texts.zero : parts.join(texts.separator);
    pad.setAttribute("aria-valuetext", text);
    pad.setAttribute("aria-valuenow", sum && connected.length ? percent(connected[0]) : 0);
  }

  /** Follows the node, if anything changed. */
  function refresh() {
    connected = [...CORNERS.keys()].filter((k) => hasLink(`style_${k + 1}`));
    const values = connected.map((k) => weights[k].value);
    // A weight that comes by a wire is not the pad's to set.
    const disabled = connected.length < 2 || connected.some((k) => hasLink(`weight_${k + 1}`));
    const now = JSON.stringify([connected, values, disabled]);
    if (now === shown) return;
    shown = now;
    point = pointOf(values, connected);
    pad.setAttribute("aria-disabled", disabled);
    pad.tabIndex = disabled ? -1 : 0;
    labels.forEach((label, k) => label.classList.toggle("off", !connected.includes(k)));
    const outline = [0, 1, 3, 2].filter((k) => connected.includes(k)).map((k) => CORNERS[k].join());
    shape.setAttribute("points", outline.join(" "));
    draw();
  }

  /** Writes the weights of a point into the widgets. */
  function moveTo(target) {
    const exact = weightsAt(target, connected);
    rounded(exact).forEach((value, i) => (weights[connected[i]].value = value));
    for (const k of connected) weights[k].callback?.(weights[k].value, app.canvas, node);
    refresh();
    point = pointOf(exact, connected);
    draw();
    node.setDirtyCanvas(true);
  }

  const enabled = () => pad.getAttribute("aria-disabled") !== "true";

  function drag(event) {
    const { left, top, width, height } = field.getBoundingClientRect(); // as on the screen, at any zoom
    moveTo([(event.clientX - left) / width, (event.clientY - top) / height]);
  }

  pad.addEventListener("pointerdown", (event) => {
    if (event.button === 1) app.canvas.processMouseDown(event); // the middle button moves the canvas, here too
    if (event.button !== 0 || !enabled()) return;
    pad.setPointerCapture(event.pointerId);
    drag(event);
  });
  pad.addEventListener("pointermove", (event) => {
    if (pad.hasPointerCapture(event.pointerId) && enabled()) drag(event);
    else if (event.buttons & 4) app.canvas.processMouseMove(event);
  });
  pad.addEventListener("pointerup", (event) => {
    if (event.button === 1) app.canvas.processMouseUp(event);
  });
  pad.addEventListener("wheel", (event) => app.canvas.processMouseWheel(event));

  function keyTarget({ key, shiftKey }) {
    if (key === "Home") return CORNERS[connected[0]];
    if (key === "End") return CORNERS[connected.at(-1)];
    if (!(key in ARROWS)) return null;
    const step = shiftKey ? LARGE_STEP : STEP;
    return (point ?? [0.5, 0.5]).map((t, axis) => t + step * ARROWS[key][axis]);
  }

  pad.addEventListener("keydown", (event) => {
    if (!enabled() || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = keyTarget(event);
    if (!target) return;
    app.canvas.emitBeforeChange(); // a step for undo; after a drag ComfyUI makes one by itself
    moveTo(target);
    app.canvas.emitAfterChange();
    event.preventDefault();
    event.stopPropagation(); // ComfyUI's own shortcuts
  });

  const after = (object, name, then) => {
    const before = object[name];
    object[name] = function (...args) {
      const result = before?.apply(this, args);
      then();
      return result;
    };
  };
  weights.forEach((widget) => afterSet(widget, refresh));
  after(node, "onConnectionsChange", refresh);
  after(node, "onConfigure", refresh);
  after(node, "onConfigure", () => requestAnimationFrame(() => takePlace(node, pad)));
  const widget = node.addDOMWidget("pad", "adain_style_mix_pad", pad, {
    serialize: false, // in the prompt
    hideInPanel: true, // at the right, where it would be an empty row
    getMinHeight: () => HEIGHT,
  });
  widget.serialize = false; // in the workflow
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  refresh();
}

/** Calls `then` whenever the value of a widget was set, by whatever: not all that do call the widget's callback. */
function afterSet(widget, then) {
  let owner = widget;
  while (owner && !Object.hasOwn(owner, "value")) owner = Object.getPrototypeOf(owner);
  const inner = Object.getOwnPropertyDescriptor(owner, "value");
  let value = widget.value; // where it is a plain property, and none that leads elsewhere
  Object.defineProperty(widget, "value", {
    configurable: true,
    enumerable: true,
    get() {
      return inner.get ? inner.get.call(this) : value;
    },
    set(next) {
      if (inner.set) inner.set.call(this, next);
      else value = next;
      then();
    },
  });
}

/**
 * Puts the pad where the one of a removed node still stands: Nodes 2.0 keeps the element of a widget when undo, or a
 * workflow that is loaded again, makes a new node of the same id.
 */
function takePlace(node, pad) {
  if (pad.isConnected || node.graph !== app.canvas.graph) return;
  document.querySelector(`[data-node-id="${node.id}"] .adain-pad`)?.replaceWith(pad);
}

function elements(texts) {
  const pad = document.createElement("div");
  pad.className = "adain-pad";
  pad.title = texts.title;
  for (const [name, value] of Object.entries({
    role: "slider",
    "aria-roledescription": texts.role,
    "aria-label": texts.label,
    "aria-valuemin": 0,
    "aria-valuemax": 100,
  })) {
    pad.setAttribute(name, value);
  }
  const field = document.createElement("div");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
  svg.append(shape);
  const labels = CORNERS.map((corner, k) => {
    const label = document.createElement("span");
    label.textContent = k + 1;
    place(label, corner);
    return label;
  });
  const dot = document.createElement("i");
  field.append(svg, ...labels, dot);
  const sheet = document.createElement("style"); // in the pad, so that nothing is left in the page that all share
  sheet.textContent = STYLE;
  pad.append(sheet, field);
  return { pad, field, shape, labels, dot };
}

function place(element, [x, y]) {
  element.style.left = `${100 * x}%`;
  element.style.top = `${100 * y}%`;
}
