// SPDX-License-Identifier: Apache-2.0
// The scene in 3-D, a page of viser's in a frame. It is drawn by the same thread that hears Stop: so it is left out where
// there is no GPU or little room until somebody wants it, and is taken away again where it keeps the page waiting.
import { at, make } from "/dom.js";

const BEAT = 250, LATE = 1200, SETTLES = 15000; // ms

export function keepSceneLight(onKey) {
  at("see").addEventListener("click", () => open(onKey));
  if (matchMedia("(max-width: 820px)").matches) say("");
  else if (slow()) say("This browser draws without a GPU: the page may get slow.");
  else open(onKey);
}

function say(words) {
  at("seen").textContent = words;
}

function open(onKey) {
  const frame = make("iframe", { id: "viser", src: "/scene/", title: "The robot in 3-D" });
  frame.addEventListener("load", () => {
    // viser connects again only in a page with the focus; and its keys are its own, the space bar is not.
    frame.contentDocument.hasFocus = () => true;
    for (const kind of ["keydown", "keyup"]) frame.contentWindow.addEventListener(kind, onKey, true);
  });
  at("see").hidden = true;
  say("");
  at("scene").append(frame);
  watch(frame);
}

function watch(frame) {
  const begun = performance.now();
  let last = begun, late = 0;
  const timer = setInterval(() => {
    const now = performance.now(), waited = now - last;
    last = now;
    if (document.visibilityState !== "visible") late = 0; // browsers let hidden pages wait
    else if (now - begun > SETTLES) late = waited > LATE ? late + 1 : Math.max(late - 0.05, 0);
    if (late < 3) return;
    clearInterval(timer);
    frame.remove();
    at("see").hidden = false;
    say("The scene was taken away: it kept Stop waiting.");
  }, BEAT);
}

function slow() {
  const pen = document.createElement("canvas").getContext("webgl");
  const names = pen?.getExtension("WEBGL_debug_renderer_info");
  const renderer = names ? pen.getParameter(names.UNMASKED_RENDERER_WEBGL) : "";
  pen?.getExtension("WEBGL_lose_context")?.loseContext();
  return !pen || /swiftshader|llvmpipe|software|basic render/i.test(renderer);
}
