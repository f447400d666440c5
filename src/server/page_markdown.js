// Answers as elements. A model may write anything, so nothing here makes HTML: text goes in with
// textContent, links and pictures stay the text they are. Every pattern looks at each letter a
// bounded number of times, so no answer can hold up the page.

/** An element with attributes and children; texts become text nodes. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s](?:[^*\n]*[^*\s])?)\*/g;

/** Nodes of one paragraph: `code`, **bold**, *emphasis*. */
function inlineNodes(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) nodes.push(text.slice(end, match.index));
    const [whole, code, bold, emphasis] = match;
    if (code !== undefined) nodes.push(make("code", {}, code));
    else if (bold !== undefined) nodes.push(make("strong", {}, ...inlineNodes(bold)));
    else nodes.push(make("em", {}, ...inlineNodes(emphasis)));
    end = match.index + whole.length;
  }
  if (end < text.length) nodes.push(text.slice(end));
  return nodes;
}

const FENCE = /^ {0,3}(```+|~~~+)[ \t]*([^`\s]*)/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})[ \t]*$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const ITEM = /^( *)(?:[-*+]|(\d{1,9})[.)])[ \t]+(.*)$/;

/** What a line belongs to when it begins a block. */
function kindOf(line) {
  if (FENCE.test(line)) return "code";
  if (HEADING.test(line)) return "heading";
  if (RULE.test(line)) return "rule";
  if (QUOTE.test(line)) return "quote";
  if (ITEM.test(line)) return "list";
  return line.trim() === "" ? "" : "paragraph";
}

/** The text cut into blocks {kind, lines}; a fence that is still open reaches to the end. */
function blocksOf(text) {
  const blocks = [];
  let block = null;
  let fence = "";
  for (const line of text.replaceAll("\r\n", "\n").split("\n")) {
    if (fence) {
      const closing = line.match(/^ {0,3}(```+|~~~+)[ \t]*$/);
      block.lines.push(line);
      if (closing && closing[1].startsWith(fence)) fence = "", block = null;
      continue;
    }
    const kind = kindOf(line);
    const goesOn = block && (block.kind === kind ||
      // Indented or unmarked lines go on in the item they follow.
      (block.kind === "list" && kind === "paragraph"));
    if (kind === "code") fence = line.match(FENCE)[1];
    if (kind === "") {
      block = null;
    } else if (goesOn && kind !== "heading" && kind !== "rule" && kind !== "code") {
      block.lines.push(line);
    } else {
      block = {kind, lines: [line]};
      blocks.push(block);
    }
  }
  return blocks;
}

function codeElement(lines) {
  const language = lines[0].match(FENCE)[2];
  const isClosed = lines.length > 1 && /^ {0,3}(```+|~~~+)[ \t]*$/.test(lines.at(-1));
  const code = lines.slice(1, isClosed ? -1 : undefined).join("\n");
  const name = language ? "Code, " + language : "Code";
  const copy = make("button", {type: "button", class: "quiet", "aria-label": "Copy code"}, "Copy");
  copy.addEventListener("click", () => copyText(code, copy));
  return make("figure", {class: "code", "aria-label": name},
    make("figcaption", {}, make("span", {}, language || "code"), copy),
    make("pre", {tabindex: "0", role: "region", "aria-label": name}, make("code", {}, code)));
}

/** Items nest by their indentation, at most eight deep. */
function listElement(lines) {
  const open = [];  // {indent, list}
  let item = null;
  for (const line of lines) {
    const match = line.match(ITEM);
    if (!match) {
      item.append("\n", ...inlineNodes(line.trim()));
      continue;
    }
    const [, spaces, number, text] = match;
    while (open.length > 1 && spaces.length < open.at(-1).indent) open.pop();
    if (!open.length || (spaces.length > open.at(-1).indent + 1 && open.length < 8)) {
      const list = number === undefined ? make("ul") : make("ol", {start: Number(number)});
      if (open.length) open.at(-1).list.lastElementChild.append(list);
      open.push({indent: spaces.length, list});
    }
    item = make("li", {}, ...inlineNodes(text));
    open.at(-1).list.append(item);
  }
  return open[0].list;
}

function blockElement({kind, lines}) {
  const whole = lines.join("\n");
  switch (kind) {
    case "code": return codeElement(lines);
    case "heading": return make("h4", {}, ...inlineNodes(lines[0].match(HEADING)[2]));
    case "rule": return make("hr");
    case "quote":
      return make("blockquote", {}, ...inlineNodes(whole.replace(/^ {0,3}> ?/gm, "")));
    case "list": return listElement(lines);
    default: return make("p", {}, ...inlineNodes(whole));
  }
}

/** Shows `text` in `target`. Blocks that are the same as last time keep their elements, so a
    stream costs what its last block costs, and selections and focus stay. */
function showMarkdown(target, text) {
  const blocks = blocksOf(text);
  const shown = target.shownBlocks || [];
  let same = 0;
  const keys = blocks.map(({kind, lines}) => kind + "\n" + lines.join("\n"));
  while (same < keys.length && shown[same] === keys[same]) ++same;
  while (target.childElementCount > same) target.lastElementChild.remove();
  for (const block of blocks.slice(same)) target.append(blockElement(block));
  target.shownBlocks = keys;
}
