// What the page asks the server: its model, and answers as they are written; and what the browser
// keeps for it.

/** Storage may be forbidden or full; the page works without. */
function remember(storage, place, value) {
  try {
    window[storage].setItem(place, JSON.stringify(value));
  } catch { /* nothing is kept */ }
}
function recall(storage, place) {
  try {
    return JSON.parse(window[storage].getItem(place));
  } catch {
    return null;
  }
}

const KEY_PLACE = "trine-api-key";  // of the tab, not of the disk
let apiKey = recall("sessionStorage", KEY_PLACE) || "";

/** A sentence for the visitor; `status` 0 when there was no answer at all. */
class ServerError extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

const UNREACHABLE = "The server at " + location.host + " cannot be reached. Is it still running?";

/** The server's own sentence, if it gave one. */
function sentenceOf(body, status) {
  let message = "";
  try {
    message = JSON.parse(body).error.message;
  } catch { /* not ours: a proxy's page, or nothing */ }
  if (typeof message === "string" && message) return message;
  return "The server answered with status " + status + " and no explanation.";
}

async function ask(path, options = {}) {
  const headers = {...options.headers};
  if (apiKey) headers.Authorization = "Bearer " + apiKey;
  let response;
  try {
    response = await fetch(path, {...options, headers, credentials: "omit", cache: "no-store"});
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(error instanceof TypeError ? UNREACHABLE : error.message);
  }
  if (!response.ok) {
    throw new ServerError(sentenceOf(await response.text(), response.status), response.status);
  }
  return response;
}

/** {id, context, meta, hasTemplate, build} of the model that is served. */
async function askModel() {
  const models = await (await ask("/v1/models")).json();
  const props = await (await ask("/props")).json();
  const model = models.data[0];
  return {
    id: String(model.id),
    context: Number(model.max_model_len) || 0,
    meta: model.meta || {},
    hasTemplate: typeof props.chat_template === "string" && props.chat_template !== "",
    build: String(props.build_info || ""),
  };
}

/** The data of each server-sent event; pieces may be cut anywhere, in letters too. */
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) yield line.slice(5).trim();
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Asks for an answer; calls `onText` with every piece. Resolves to {reason, usage}. */
async function streamAnswer(path, body, signal, onText) {
  const response = await ask(path, {
    method: "POST",
    signal,
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({...body, stream: true, stream_options: {include_usage: true}}),
  });
  const result = {reason: "", usage: null};
  let isComplete = false;
  try {
    for await (const data of eventsOf(response)) {
      if (data === "[DONE]") {
        isComplete = true;
        break;
      }
      const event = JSON.parse(data);
      if (event.error) throw new ServerError(sentenceOf(data, 200), 200);
      if (event.usage) result.usage = event.usage;
      for (const choice of event.choices || []) {
        const text = choice.delta ? choice.delta.content : choice.text;
        if (typeof text === "string" && text) onText(text);
        if (choice.finish_reason) result.reason = choice.finish_reason;
      }
    }
  } catch (error) {
    if (error instanceof ServerError || error.name === "AbortError") throw error;
    throw new ServerError("The connection broke off in the middle of the answer.");
  }
  if (!isComplete) throw new ServerError("The answer ended before it was complete.");
  return result;
}
