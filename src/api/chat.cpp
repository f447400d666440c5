#include <trine/chat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/loaded_model.h"
#include "input/chat_template/chat_template.h"

namespace trine {

namespace chat_template = input::chat_template;

struct Chat::State {
  ChatOptions options;
  api::LoadedModel loaded;
  chat_template::ModelTemplates templates;
  runtime::KvCache cache;
  base::OrderedJson messages = base::OrderedJson::array();
  std::vector<std::int32_t> read_ids{};  ///< what `cache` holds, and perhaps one token more

  [[nodiscard]] Result<std::string> render(const base::OrderedJson& conversation) const {
    chat_template::ChatInput given;
    given.messages = conversation;
    given.now = options.local_time;
    return options.plain_format ? chat_template::plain_chat_text(given)
                                : templates.render(given);
  }

  /// Leaves in the cache only what `ids` begins with, and not all of them.
  void keep_beginning_of(const std::vector<std::int32_t>& ids) {
    const auto [differs, ignored] =
        std::mismatch(read_ids.begin(), read_ids.end(), ids.begin(), ids.end());
    const auto same = static_cast<std::size_t>(differs - read_ids.begin());
    cache.truncate(std::min(same, ids.size() - 1));
  }

  void start_over() {
    messages = base::OrderedJson::array();
    if (!options.system.empty()) {
      messages.push_back({{"role", "system"}, {"content", options.system}});
    }
    cache.truncate(0);
    read_ids.clear();
  }
};

Chat::Chat(std::unique_ptr<State> state) : state_(std::move(state)) {}
Chat::Chat(Chat&&) noexcept = default;
Chat& Chat::operator=(Chat&&) noexcept = default;
Chat::~Chat() = default;

Result<Chat> Chat::open(const std::string& path, const ChatOptions& chat,
                        const EngineOptions& engine) {
  TRINE_ASSIGN_OR_RETURN(api::LoadedModel loaded, api::load_model(path, engine));
  if (loaded.engine.spec().encoder) {
    return fail(ErrorCode::kUnsupported,
                "{}: an encoder–decoder model answers single prompts; use generate", path);
  }
  TRINE_ASSIGN_OR_RETURN(auto templates, chat_template::ModelTemplates::read(path));
  if (templates.empty() && !chat.plain_format) {
    return fail(ErrorCode::kNotFound,
                "{}: the model has no chat template, so it was probably not trained to chat; "
                "--plain uses lines \"role: content\"",
                path);
  }
  runtime::KvCache cache(loaded.engine.spec());
  Chat opened(std::make_unique<State>(
      State{chat, std::move(loaded), std::move(templates), std::move(cache)}));
  opened.reset();
  return opened;
}

Result<GenerateReport> Chat::answer(std::string_view message, const GenerateOptions& options,
                                    const TextCallback& on_text) {
  State& state = *state_;
  base::OrderedJson conversation = state.messages;
  conversation.push_back({{"role", "user"}, {"content", std::string(message)}});
  TRINE_ASSIGN_OR_RETURN(const std::string text, state.render(conversation));
  // A template writes the special tokens itself; plain lines need the model's own first token.
  const auto special = state.options.plain_format ? input::SpecialTokens::kInclude
                                                  : input::SpecialTokens::kExclude;
  const std::vector<std::int32_t> ids = state.loaded.tokenizer->encode(text, special);
  if (ids.empty()) {
    return fail(ErrorCode::kInvalidArgument, "the chat template makes no text of the messages");
  }
  state.keep_beginning_of(ids);
  state.read_ids.clear();
  const Result<GenerateReport> report =
      api::write_on(state.loaded, state.cache, ids, options, on_text, &state.read_ids);
  if (!report) {
    state.cache.truncate(0);
    return report;
  }
  conversation.push_back({{"role", "assistant"}, {"content", report->text}});
  state.messages = std::move(conversation);
  return report;
}

void Chat::reset() { state_->start_over(); }

}  // namespace trine
