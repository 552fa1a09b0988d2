// SPDX-License-Identifier: Apache-2.0
// Elements, made with what is in them: strings go in as text.
export const at = (id) => document.getElementById(id);

export function make(tag, options = {}, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") node.className = value;
    else if (name === "click") node.addEventListener("click", value);
    else node[name] = value;
  }
  node.append(...inside.filter((one) => one !== null && one !== undefined));
  return node;
}

export const badge = (words, tone) => make("span", { class: `badge ${tone}` }, words);
