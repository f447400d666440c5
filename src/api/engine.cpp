#include <trine/engine.h>

#include <vector>

#include "api/loaded_model.h"
#include "api/sequence_logits.h"
#include "eval/speed.h"

namespace trine {

struct TextModel::State {
  api::LoadedModel loaded;
};

TextModel::TextModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextModel::TextModel(TextModel&&) noexcept = default;
TextModel& TextModel::operator=(TextModel&&) noexcept = default;
TextModel::~TextModel() = default;

Result<TextModel> TextModel::open(const std::string& path, const EngineOptions& options) {
  TRINE_ASSIGN_OR_RETURN(api::LoadedModel loaded, api::load_model(path, options));
  return TextModel(std::make_unique<State>(State{std::move(loaded)}));
}

bool TextModel::has_encoder() const noexcept {
  return state_->loaded.engine.spec().encoder.has_value();
}

Result<GenerateReport> TextModel::generate(std::string_view prompt,
                                           const GenerateOptions& options,
                                           const TextCallback& on_text) {
  api::LoadedModel& loaded = state_->loaded;
  const std::vector<std::int32_t> prompt_ids =
      loaded.tokenizer->encode(prompt, input::SpecialTokens::kInclude);
  if (prompt_ids.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the prompt has no tokens and the tokenizer adds none; give some text");
  }
  runtime::KvCache cache(loaded.engine.spec());
  return api::write_on(loaded, cache, prompt_ids, options, on_text);
}

Result<LogitsReport> TextModel::logits(const std::vector<std::int32_t>& token_ids,
                                       const std::vector<std::int32_t>& encoder_token_ids) {
  return api::sequence_logits(state_->loaded.engine, token_ids, encoder_token_ids);
}

std::vector<std::int32_t> TextModel::tokenize(std::string_view text,
                                              bool add_special_tokens) const {
  return state_->loaded.tokenizer->encode(text, add_special_tokens
                                                    ? input::SpecialTokens::kInclude
                                                    : input::SpecialTokens::kExclude);
}

std::string TextModel::detokenize(const std::vector<std::int32_t>& token_ids,
                                  bool skip_special_tokens) const {
  return state_->loaded.tokenizer->decode(token_ids, skip_special_tokens
                                                         ? input::SpecialTokens::kExclude
                                                         : input::SpecialTokens::kInclude);
}

Result<SpeedReport> measure_speed(const std::string& path, const SpeedOptions& options,
                                  const EngineOptions& engine_options) {
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel model, api::open_model(path));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, api::make_engine(model, engine_options));
  TRINE_ASSIGN_OR_RETURN(const eval::SpeedResult result,
                         eval::measure_speed(engine, {options.prompt_tokens,
                                                      options.decode_tokens, options.repeats}));
  return SpeedReport{.prefill_tokens_per_second = result.prefill_tokens_per_second,
                     .first_token_seconds = result.first_token_seconds,
                     .decode_tokens_per_second = result.decode_tokens_per_second,
                     .active_bytes = result.active_bytes,
                     .read_bandwidth = result.reads.read_bandwidth,
                     .decode_limit = result.decode_limit(),
                     .decode_read_share = result.reads.median,
                     .decode_read_share_first_quartile = result.reads.first_quartile,
                     .decode_read_share_third_quartile = result.reads.third_quartile,
                     .fits_in_cache = result.fits_in_cache(),
                     .peak_rss_bytes = result.peak_rss_bytes,
                     .threads = engine.threads(),
                     .isa = std::string(engine.kernels().name)};
}

}  // namespace trine
