#include "server/information.h"

#include <trine/trine.h>

#include "server/body_fields.h"
#include "server/chat_prompt.h"
#include "server/routes.h"

namespace trine::server {
namespace {

using Exchange = std::shared_ptr<HttpExchange>;

void respond_json(ServerState& server, const Exchange& exchange, const HttpRequest& request,
                  const Json& body) {
  respond_with(server, exchange, request, {.body = dumped(body)});
}

/// How a packed model was made; null for an original one.
Json compression_json(const ServedModel& model) {
  if (!model.compression) return nullptr;
  const CompressionInspection& made = *model.compression;
  return {{"method", made.preset.empty() ? made.allocator : made.preset},
          {"bits_per_weight", made.bits_per_weight},
          {"weight_error", made.weight_error},
          {"original_size", made.original_bytes},
          {"trine_version", made.trine_version}};
}

Json model_json(const ServerState& server) {
  const ServedModel& model = server.service.load()->model();
  const auto created =
      std::chrono::duration_cast<std::chrono::seconds>(server.started.time_since_epoch());
  return {{"id", server.model_name()},
          {"object", "model"},
          {"created", created.count()},
          {"owned_by", "trine"},
          {"max_model_len", model.context_length},
          {"meta",
           {{"n_vocab", model.vocab_size},
            {"n_ctx_train", model.max_position_embeddings},
            {"n_embd", model.hidden_size},
            {"n_params", model.num_parameters},
            {"size", model.stored_bytes},
            {"family", model.family},
            {"compression", compression_json(model)}}}};
}

Json token_or_null(const Service& service, std::optional<std::int32_t> token) {
  return token ? Json(service.token_text(*token)) : Json(nullptr);
}

Json template_or_null(const ServedModel& model) {
  return model.chat_template.empty() ? Json(nullptr) : Json(model.chat_template);
}

}  // namespace

void handle_health(ServerState& server, const Exchange& exchange, const HttpRequest& request) {
  if (server.service.load() == nullptr) {
    HttpResponse response{.status = 503};
    response.body = dumped({{"error",
                             {{"code", 503},
                              {"message", "Loading model"},
                              {"type", "unavailable_error"},
                              {"param", nullptr}}}});
    return respond_with(server, exchange, request, std::move(response));
  }
  respond_json(server, exchange, request, {{"status", "ok"}});
}

void handle_props(ServerState& server, const Exchange& exchange, const HttpRequest& request) {
  const Service& service = *server.service.load();
  const ServedModel& model = service.model();
  Json body = {{"default_generation_settings",
                {{"n_ctx", model.context_length},
                 {"params",
                  {{"temperature", 1.0},
                   {"top_k", 0},
                   {"top_p", 1.0},
                   {"min_p", 0.0},
                   {"repeat_penalty", 1.0},
                   {"presence_penalty", 0.0},
                   {"frequency_penalty", 0.0}}}}},
               {"total_slots", server.options.service.most_running},
               {"model_alias", server.model_name()},
               {"model_path", server.model_name()},
               {"chat_template", model.chat_template},
               {"bos_token", token_or_null(service, model.bos_token)},
               {"eos_token", token_or_null(service, model.eos_token)},
               {"modalities", {{"vision", false}, {"audio", false}}},
               {"build_info", "trine " + version()}};
  if (model.tool_template != model.chat_template) {
    body["chat_template_tool_use"] = model.tool_template;
  }
  respond_json(server, exchange, request, body);
}

void handle_slots(ServerState& server, const Exchange& exchange, const HttpRequest& request) {
  const Service& service = *server.service.load();
  Json slots = Json::array();
  for (const SlotStatus& slot : service.status().requests) {
    slots.push_back({{"id", slot.id},
                     {"n_ctx", service.model().context_length},
                     {"is_processing", slot.is_running},
                     {"n_prompt_tokens", slot.prompt_tokens},
                     {"n_past", slot.computed_tokens},
                     {"n_decoded", slot.generated_tokens}});
  }
  respond_json(server, exchange, request, slots);
}

void handle_tokenizer_info(ServerState& server, const Exchange& exchange,
                           const HttpRequest& request) {
  const Service& service = *server.service.load();
  const ServedModel& model = service.model();
  respond_json(server, exchange, request,
               {{"bos_token", token_or_null(service, model.bos_token)},
                {"eos_token", token_or_null(service, model.eos_token)},
                {"pad_token", nullptr},
                {"vocab_size", model.vocab_size},
                {"max_model_len", model.context_length},
                {"chat_template", template_or_null(model)}});
}

void handle_models(ServerState& server, const Exchange& exchange, const HttpRequest& request) {
  respond_json(server, exchange, request,
               {{"object", "list"}, {"data", Json::array({model_json(server)})}});
}

void handle_model(ServerState& server, const Exchange& exchange, const HttpRequest& request) {
  const std::string id = request.path.substr(request.path.find("models/") + 7);
  if (id == server.model_name()) {
    return respond_json(server, exchange, request, model_json(server));
  }
  refuse_with(
      server, exchange, request,
      {.status = 404,
       .message = "there is no model \"" + id + "\" here, only \"" + server.model_name() + "\"",
       .param = "model",
       .code = "model_not_found"});
}

/// Both dialects: {content, add_special, with_pieces} and {prompt, add_special_tokens}.
void handle_tokenize(ServerState& server, const Exchange& exchange,
                     const HttpRequest& request) {
  const Service& service = *server.service.load();
  const auto answer = [&]() -> Parsed<Json> {
    TRINE_PARSE(const Json body, parse_body(request.body));
    const BodyFields fields(body);
    const bool is_short = fields.find("content") != nullptr;
    std::vector<std::int32_t> tokens;
    if (fields.find("messages") != nullptr) {
      TRINE_PARSE(const ChatBody chat, parse_messages(body));
      TRINE_PARSE(tokens, encode_chat(service, chat));
    } else {
      if (!is_short && fields.find("prompt") == nullptr) {
        return refuse("prompt", "prompt is missing (or content, or messages)");
      }
      TRINE_PARSE(const std::string text, fields.text(is_short ? "content" : "prompt", ""));
      TRINE_PARSE(const bool add_special, is_short
                                              ? fields.boolean("add_special", false)
                                              : fields.boolean("add_special_tokens", true));
      tokens = service.encode(text, add_special);
    }
    TRINE_PARSE(const bool with_pieces, fields.boolean("with_pieces", false));
    Json listed = Json::array();
    for (const std::int32_t token : tokens) {
      if (with_pieces) {
        listed.push_back({{"id", token}, {"piece", service.token_text(token)}});
      } else {
        listed.push_back(token);
      }
    }
    return Json{{"tokens", std::move(listed)},
                {"count", tokens.size()},
                {"max_model_len", service.model().context_length}};
  }();
  if (!answer) return refuse_with(server, exchange, request, answer.error());
  respond_json(server, exchange, request, *answer);
}

void handle_detokenize(ServerState& server, const Exchange& exchange,
                       const HttpRequest& request) {
  const Service& service = *server.service.load();
  const auto answer = [&]() -> Parsed<Json> {
    TRINE_PARSE(const Json body, parse_body(request.body));
    const Json* list = BodyFields(body).find("tokens");
    if (list == nullptr || !list->is_array()) {
      return refuse("tokens", "tokens is missing, expected a list of token ids");
    }
    std::vector<std::int32_t> tokens;
    for (const Json& token : *list) {
      const bool is_good =
          token.is_number_unsigned() && token.get<std::uint64_t>() < service.model().vocab_size;
      if (!is_good)
        return refuse("tokens", "tokens has " + shown(token) + ", expected token ids");
      tokens.push_back(token.get<std::int32_t>());
    }
    const std::string text = service.decode(tokens, false);
    return Json{{"content", text}, {"prompt", text}};
  }();
  if (!answer) return refuse_with(server, exchange, request, answer.error());
  respond_json(server, exchange, request, *answer);
}

void handle_apply_template(ServerState& server, const Exchange& exchange,
                           const HttpRequest& request) {
  const Service& service = *server.service.load();
  const auto answer = [&]() -> Parsed<Json> {
    TRINE_PARSE(const Json body, parse_body(request.body));
    TRINE_PARSE(const ChatBody chat, parse_messages(body));
    TRINE_PARSE(const std::string text, render_chat(service, chat));
    return Json{{"prompt", text}};
  }();
  if (!answer) return refuse_with(server, exchange, request, answer.error());
  respond_json(server, exchange, request, *answer);
}

}  // namespace trine::server
