// The conversation and the settings.

const DEFAULTS = {temperature: 0.7, top_p: 0.95, max_tokens: "512", seed: "", system: "", colours: ""};
const SETTINGS_PLACE = "trine-settings";
const CHAT_PLACE = "trine-conversation";  // of the tab: a reload keeps it
const IDEAS = {
  chat: ["Write four lines about the sea.", "How does a bicycle stay upright?",
    "Three names for a grey cat, please."],
  text: ["The old house stood at the end of the", "It was a bright cold day, and",
    "Once upon a time there was a"],
};

const byId = (id) => document.getElementById(id);
const number = (value, digits = 0) =>
  value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});

let settings = {...DEFAULTS, ...recall("localStorage", SETTINGS_PLACE)};
let model = null;      // of askModel()
let conversation = []; // {role, text, error?, figures?}
let running = null;    // AbortController of the answer being written

// For ears: whole sentences, at most every second and a half, so that a stream of tokens neither
// interrupts itself nor is spelled out.
const speaker = {
  pending: "",
  timer: 0,
  say(sentence) {
    byId("spoken").append(make("p", {}, sentence));
    while (byId("spoken").childElementCount > 6) byId("spoken").firstElementChild.remove();
  },
  add(text) {
    this.pending += text;
    if (!this.timer) this.timer = setTimeout(() => this.sayReady(), 1500);
  },
  sayReady() {
    this.timer = 0;
    const ends = [...this.pending.matchAll(/[.!?:;…]\s|\n/g)];
    const isLong = this.pending.length > 300;
    const end = ends.length ? ends.at(-1).index + 1
      : isLong ? this.pending.lastIndexOf(" ") + 1 || this.pending.length : 0;
    const ready = this.pending.slice(0, end).replace(/[*`#>]+/g, "").trim();
    this.pending = this.pending.slice(end);
    if (ready) this.say(ready);
  },
  finish(sentence) {
    clearTimeout(this.timer);
    this.timer = 0;
    const rest = this.pending.replace(/[*`#>]+/g, "").trim();
    this.pending = "";
    if (rest) this.say(rest);
    if (sentence) this.say(sentence);
  },
};

async function copyText(text, button) {
  const was = button.textContent;
  let isCopied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // pages without TLS from another machine have no clipboard
    const box = make("textarea", {class: "unseen", "aria-hidden": "true"});
    box.value = text;
    document.body.append(box);
    box.select();
    isCopied = document.execCommand("copy");
    box.remove();
    button.focus();
  }
  button.textContent = isCopied ? "Copied" : "Cannot copy";
  speaker.say(button.textContent);
  setTimeout(() => { button.textContent = was; }, 1500);
}

// Settings.

function isDark() {
  return settings.colours ? settings.colours === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showColours() {
  if (settings.colours) document.documentElement.dataset.colours = settings.colours;
  else delete document.documentElement.dataset.colours;
  const other = isDark() ? "Light" : "Dark";
  byId("colours-switch").textContent = other;
  byId("colours-switch").setAttribute("aria-label", other + " colours");
}

function showSettings() {
  for (const name of Object.keys(DEFAULTS)) {
    // A number half typed reads as "": it must not be wiped away under the visitor's fingers.
    if (byId(name).value !== String(settings[name])) byId(name).value = settings[name];
  }
  byId("temperature-shown").textContent = number(Number(settings.temperature), 2);
  byId("top_p-shown").textContent = number(Number(settings.top_p), 2);
  showColours();
}

function changeSettings(changes) {
  settings = {...settings, ...changes};
  remember("localStorage", SETTINGS_PLACE, settings);
  showSettings();
}

function samplingFields() {
  const fields = {temperature: Number(settings.temperature), top_p: Number(settings.top_p)};
  if (settings.max_tokens !== "") fields.max_tokens = Number(settings.max_tokens);
  if (settings.seed !== "") fields.seed = Number(settings.seed);
  return fields;
}

// The model.

const sizeText = (bytes) => bytes >= 1e9 ? number(bytes / 1e9, 1) + " GB" : number(bytes / 1e6, 1) + " MB";
const countText = (count) =>
  count >= 1e9 ? number(count / 1e9, 1) + " billion" : number(count / 1e6, 1) + " million";

function showModel() {
  const {id, context, meta, hasTemplate, build} = model;
  const made = meta.compression;
  const bits = made ? made.bits_per_weight : meta.size * 8 / meta.n_params;
  const facts = [
    ["Bits per weight", Number.isFinite(bits) && number(bits, 2) + " of 16"],
    ["Size", meta.size && sizeText(meta.size)],
    ["Original", made && made.original_size && sizeText(made.original_size)],
    ["Source", made ? "packed, " + made.method : "original checkpoint"],
    ["Weight error", made && made.weight_error > 0 && number(100 * made.weight_error, 2) + " %"],
    ["Weights", meta.n_params && countText(meta.n_params)],
    ["Family", meta.family],
    ["Context", context && number(context) + " tokens"],
    ["Server", build],
  ];
  byId("model-name").textContent = id;
  byId("model-facts").replaceChildren(...facts.filter(([, value]) => value)
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
  byId("bits-scale").hidden = !Number.isFinite(bits);
  byId("bits-bar").style.width = Math.min(100, 100 * bits / 16) + "%";
  byId("mode-notice").hidden = hasTemplate;
  byId("mode-notice").textContent = hasTemplate ? ""
    : "This model has no chat template: it continues your text instead of answering it.";
  byId("message").placeholder = hasTemplate ? "Write a message" : "Begin a text";
  byId("message-label").textContent = hasTemplate ? "Message" : "Text to be continued";
  byId("welcome-title").textContent = hasTemplate ? "What shall it write?" : "Begin a text, and it goes on.";
  document.title = id + " – Trine";
  byId("ideas").replaceChildren(...IDEAS[hasTemplate ? "chat" : "text"].map((idea) => {
    const button = make("button", {type: "button"}, idea);
    button.addEventListener("click", () => {
      byId("message").value = idea;
      fitBox();
      byId("message").focus();
    });
    return make("li", {}, button);
  }));
  for (const message of conversation) showFrame(message);
}

function showState(sentence, is = "") {
  byId("state").textContent = sentence;
  byId("state").dataset.is = is;
}

async function connect() {
  try {
    model = await askModel();
    byId("key-form").hidden = true;
    showState(model.id, "good");
    showModel();
  } catch (error) {
    if (error.status === 401) return askForKey(error.message);
    const isLoading = error.status === 503;
    showState(isLoading ? error.message + " …" : error.message, isLoading ? "" : "bad");
    setTimeout(connect, isLoading ? 1500 : 4000);
  }
}

function askForKey(sentence) {
  showState("API key needed", "bad");
  byId("key-note").textContent = sentence + " It is kept until this tab is closed.";
  byId("key-form").hidden = false;
  byId("key").focus();
}

// Messages.

function button(label, action, description = "") {
  const element = make("button", {type: "button", class: "quiet"}, label);
  if (description) element.setAttribute("aria-label", description);
  element.addEventListener("click", () => action(element));
  return element;
}

const nameOf = (message) =>
  message.role === "user" ? "You" : (model && model.id) || "Model";

/** Name, actions and figures of a message; which actions depends on what is going on. */
function showFrame(message) {
  const {heading, actions, error} = message.view;
  heading.textContent = nameOf(message);
  error.textContent = message.error || "";
  error.hidden = !message.error;
  actions.replaceChildren();
  if (message.isRunning) return showRunningFigures(message);
  const isLast = message === conversation.at(-1);
  if (message.text) actions.append(button("Copy", (it) => copyText(message.text, it), "Copy message"));
  if (message.text && !running) actions.append(button("Edit", () => edit(message), "Edit message"));
  if (isLast && message.role === "assistant" && !running) {
    actions.append(message.error ? button("Try again", regenerate)
      : button("Regenerate", regenerate, "Regenerate answer"));
  }
  if (message.figures) actions.append(make("span", {class: "figures"}, message.figures));
}

function showRunningFigures(message) {
  const {clock, view} = message;
  const figures = view.actions.querySelector(".figures") || make("span", {class: "figures"});
  const rate = rateOf(clock, clock.pieces);
  figures.textContent = clock.pieces === 0 ? "reading …"
    : number(clock.pieces) + " tokens" + (rate ? ", " + rate : "");
  view.actions.append(figures);
}

function addMessage(message) {
  const heading = make("h3", {dir: "auto"});
  const text = make("div", {class: "text", dir: "auto"});
  const error = make("p", {class: "error", role: "alert", hidden: true});
  const actions = make("div", {class: "actions"});
  const item = make("li", {class: "message " + message.role}, heading, text, error, actions);
  message.view = {item, heading, text, error, actions};
  conversation.push(message);
  byId("messages").append(item);
  byId("welcome").hidden = true;
  showText(message);
  conversation.slice(-3).forEach(showFrame);
}

function showText(message) {
  const {text} = message.view;
  if (message.role === "assistant" && (!model || model.hasTemplate)) showMarkdown(text, message.text);
  else text.replaceChildren(make("p", {}, message.text));
  text.hidden = !message.text && !message.isRunning;
}

function dropFrom(index) {
  for (const message of conversation.splice(index)) message.view.item.remove();
  byId("welcome").hidden = conversation.length > 0;
}

function keepConversation() {
  remember("sessionStorage", CHAT_PLACE,
    conversation.map(({role, text, error, figures}) => ({role, text, error, figures})));
}

function edit(message) {
  const {item, text, actions} = message.view;
  const box = make("textarea", {dir: "auto", "aria-label": "Edit message"});
  box.value = message.text;
  const isUser = message.role === "user";
  const form = make("form", {class: "edit"}, box, make("div", {class: "actions"},
    button("Cancel", () => close()), make("button", {type: "submit", class: "main"}, isUser ? "Send again" : "Save")));
  const close = () => {
    form.remove();
    text.hidden = actions.hidden = false;
    showFrame(message);
    [...actions.children].find((it) => it.textContent === "Edit")?.focus();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (running || !box.value.trim()) return;
    message.text = box.value;
    message.figures = isUser ? "" : "edited";
    close();
    showText(message);
    if (isUser) {
      dropFrom(conversation.indexOf(message) + 1);
      byId("message").focus();
      answerNow();
    }
    keepConversation();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (isEnter(event)) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  text.hidden = actions.hidden = true;
  item.insertBefore(form, actions);
  box.style.height = Math.min(box.scrollHeight + 4, innerHeight / 2) + "px";
  box.focus();
}

// Answers.

/** Messages as the server takes them: without empty ones, and no two of one role in a row. */
function history() {
  const messages = [];
  if (settings.system.trim()) messages.push({role: "system", content: settings.system});
  for (const {role, text} of conversation) {
    if (!text) continue;
    if (messages.at(-1)?.role === role) messages.at(-1).content += "\n\n" + text;
    else messages.push({role, content: text});
  }
  return messages;
}

/** A model without a template goes on with everything so far, as one text. */
function plainText() {
  let text = settings.system.trim() ? settings.system + "\n\n" : "";
  for (const message of conversation) {
    if (message.role === "user" && text && !/\s$/.test(text)) text += "\n";
    text += message.text;
  }
  return text;
}

function requestNow() {
  const fields = {model: model ? model.id : "", ...samplingFields()};
  if (!model || model.hasTemplate) {
    return ["/v1/chat/completions", {...fields, messages: history()}];
  }
  // Completions stop at 16 tokens unless told otherwise; the server cuts to what there is room for.
  return ["/v1/completions", {max_tokens: model.context || 4096, ...fields, prompt: plainText()}];
}

/** Decode: tokens after the first, by the time from the first to the last. Shorter times than a few
    frames of the screen say more about the browser than about the model. */
function rateOf(clock, tokens) {
  const seconds = (clock.last - clock.first) / 1000;
  return tokens > 1 && seconds > 0.03 ? number((tokens - 1) / seconds, 1) + " tokens/s" : "";
}

function figuresOf(clock, {reason, usage}, wasStopped) {
  const tokens = usage ? usage.completion_tokens : clock.pieces;
  const cached = usage?.prompt_tokens_details?.cached_tokens || 0;
  return [
    number(tokens) + " tokens",
    rateOf(clock, tokens),
    clock.first && "first after " + number((clock.first - clock.begin) / 1000, 2) + " s",
    usage && "prompt " + number(usage.prompt_tokens) + (cached ? " (" + number(cached) + " cached)" : ""),
    wasStopped && "stopped",
    reason === "length" && "cut at the limit of tokens",
  ].filter(Boolean).join(" · ");
}

function showRunning(isRunning) {
  const hadFocus = [byId("send"), byId("stop")].includes(document.activeElement);
  byId("send").hidden = isRunning;
  byId("stop").hidden = !isRunning;
  byId("new-chat").disabled = isRunning;
  if (hadFocus) byId("message").focus();
  conversation.forEach(showFrame);
}

/** Keeps the end in sight unless the visitor has scrolled away from it. */
function followEnd(change) {
  const scroll = byId("scroll");
  const isAtEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  change();
  if (isAtEnd) scroll.scrollTop = scroll.scrollHeight;
}

async function answerNow() {
  const [path, body] = requestNow();
  const message = {role: "assistant", text: "", isRunning: true,
    clock: {begin: performance.now(), first: 0, last: 0, pieces: 0}};
  running = new AbortController();
  addMessage(message);
  const {clock, view} = message;
  view.text.classList.add("waiting");
  showRunning(true);
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
  let frame = 0;
  const draw = () => {
    frame = 0;
    followEnd(() => { showText(message); showRunningFigures(message); });
  };
  let result = {reason: "", usage: null};
  let wasStopped = false;
  try {
    result = await streamAnswer(path, body, running.signal, (text) => {
      message.text += text;
      clock.last = performance.now();
      clock.first ||= clock.last;
      clock.pieces += 1;
      speaker.add(text);
      frame ||= requestAnimationFrame(draw);
    });
  } catch (error) {
    wasStopped = error.name === "AbortError";
    if (!wasStopped) message.error = error.message;
    if (error.status === 401) askForKey(error.message);
  }
  cancelAnimationFrame(frame);
  running = null;
  message.isRunning = false;
  if (!message.error || message.text) message.figures = figuresOf(clock, result, wasStopped);
  view.text.classList.remove("waiting");
  followEnd(() => { showText(message); showRunning(false); });
  speaker.finish(message.error ? "" : wasStopped ? "Stopped." : "End of the answer.");
  const used = result.usage?.total_tokens;
  if (used && model?.context) {
    byId("context").textContent = number(used) + " of " + number(model.context) + " tokens of context";
  }
  keepConversation();
}

function regenerate() {
  if (running) return;
  dropFrom(conversation.length - 1);
  byId("message").focus();
  answerNow();
}

function stop() {
  if (running) running.abort();
}

function send() {
  const box = byId("message");
  if (running || !box.value.trim()) return;
  const text = box.value;
  box.value = "";
  fitBox();
  addMessage({role: "user", text});
  answerNow();
}

// The box, keys and buttons.

function fitBox() {
  const box = byId("message");
  box.style.height = "auto";
  box.style.height = box.scrollHeight + "px";
}

const isEnter = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing;

function openPanel(isOpen) {
  byId("panel").classList.toggle("is-open", isOpen);
  byId("panel-switch").setAttribute("aria-expanded", String(isOpen));
  byId("panel-switch").textContent = isOpen ? "Close" : "Settings";
  if (isOpen) byId("panel").scrollTop = 0;
}

function listen() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("message").addEventListener("input", fitBox);
  byId("message").addEventListener("keydown", (event) => {
    if (!isEnter(event)) return;
    event.preventDefault();
    send();
  });
  byId("stop").addEventListener("click", stop);
  byId("new-chat").addEventListener("click", () => {
    dropFrom(0);
    keepConversation();
    byId("context").textContent = "";
    byId("message").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (running) {
      stop();
    } else if (byId("panel").classList.contains("is-open")) {
      openPanel(false);
      byId("panel-switch").focus();
    }
  });
  byId("panel-switch").addEventListener("click",
    () => openPanel(!byId("panel").classList.contains("is-open")));
  byId("settings").addEventListener("submit", (event) => event.preventDefault());
  byId("settings").addEventListener("input", (event) => {
    if (event.target.id in DEFAULTS) changeSettings({[event.target.id]: event.target.value});
  });
  byId("reset").addEventListener("click", () => changeSettings(DEFAULTS));
  byId("colours-switch").addEventListener("click",
    () => changeSettings({colours: isDark() ? "light" : "dark"}));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showColours);
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    apiKey = byId("key").value.trim();
    remember("sessionStorage", KEY_PLACE, apiKey);
    byId("key").value = "";
    byId("message").focus();
    connect();
  });
}

function begin() {
  showSettings();
  listen();
  const kept = recall("sessionStorage", CHAT_PLACE);
  if (Array.isArray(kept)) kept.forEach(addMessage);
  // A keyboard on glass would cover half of the page.
  if (matchMedia("(pointer: fine)").matches) byId("message").focus();
  connect();
}

begin();
