#include <trine/engine.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "api/opened_model.h"
#include "api/sequence_logits.h"
#include "eval/speed.h"
#include "input/streaming_detokenizer.h"
#include "input/tokenizer.h"
#include "models/generation_config.h"
#include "runtime/sampler.h"

namespace trine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

runtime::SamplerOptions sampler_options(const GenerateOptions& options) {
  return {.temperature = options.temperature,
          .top_k = options.top_k,
          .top_p = options.top_p,
          .min_p = options.min_p,
          .repetition_penalty = options.repetition_penalty,
          .seed = options.seed};
}

}  // namespace

struct TextModel::State {
  api::OpenedModel model;
  runtime::Engine engine;
  std::unique_ptr<input::Tokenizer> tokenizer;
  std::vector<std::int32_t> end_tokens;

  [[nodiscard]] bool is_end(std::int32_t token) const {
    return std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
  }
};

TextModel::TextModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
TextModel::TextModel(TextModel&&) noexcept = default;
TextModel& TextModel::operator=(TextModel&&) noexcept = default;
TextModel::~TextModel() = default;

Result<TextModel> TextModel::open(const std::string& path, const EngineOptions& options) {
  TRINE_ASSIGN_OR_RETURN(api::OpenedModel model, api::open_model(path));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, api::make_engine(model, options));
  TRINE_ASSIGN_OR_RETURN(auto tokenizer, input::open_tokenizer(path));
  const base::Json& config = model.packed ? model.packed->config() : model.original->config();
  TRINE_ASSIGN_OR_RETURN(auto end_tokens, models::read_end_tokens(path, config));
  if (end_tokens.empty() && tokenizer->eos_id()) end_tokens.push_back(*tokenizer->eos_id());
  return TextModel(std::make_unique<State>(
      State{std::move(model), std::move(engine), std::move(tokenizer), std::move(end_tokens)}));
}

bool TextModel::has_encoder() const noexcept {
  return state_->engine.spec().encoder.has_value();
}

Result<GenerateReport> TextModel::generate(std::string_view prompt,
                                           const GenerateOptions& options,
                                           const TextCallback& on_text) {
  const runtime::SamplerOptions sampling = sampler_options(options);
  TRINE_RETURN_IF_ERROR(runtime::check_sampler_options(sampling));
  runtime::Engine& engine = state_->engine;
  const std::vector<std::int32_t> prompt_ids =
      state_->tokenizer->encode(prompt, input::SpecialTokens::kInclude);
  if (prompt_ids.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the prompt has no tokens and the tokenizer adds none; give some text");
  }
  GenerateReport report{.finish_reason = "length", .prompt_tokens = prompt_ids.size()};
  runtime::KvCache cache(engine.spec());
  runtime::Sampler sampler(sampling);
  input::StreamingDetokenizer detokenizer(*state_->tokenizer, input::SpecialTokens::kExclude);
  std::vector<std::int32_t> token_ids;  // of the text the decoder writes on
  if (const auto& encoder = engine.spec().encoder) {
    token_ids = {encoder->decoder_start_token};
  } else {
    token_ids = prompt_ids;
  }
  // What comes before goes through the detokenizer too: whether the first new token starts with
  // a space depends on it.
  for (const std::int32_t id : token_ids) static_cast<void>(detokenizer.push(id));

  const auto emit = [&](const std::string& piece) {
    report.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  auto start = Clock::now();
  TRINE_ASSIGN_OR_RETURN(auto hidden, engine.prefill({prompt_ids, &cache}));
  report.prefill_seconds = seconds_since(start);
  start = Clock::now();
  while (report.generated_tokens < options.max_tokens) {
    const auto logits = engine.logits(hidden);
    const std::int32_t next = sampler.sample(logits, token_ids);
    if (state_->is_end(next)) {
      report.finish_reason = "stop";
      break;
    }
    token_ids.push_back(next);
    ++report.generated_tokens;
    emit(detokenizer.push(next));
    if (report.generated_tokens == options.max_tokens) break;
    const runtime::SequenceStep step{std::span(&next, 1), &cache};
    TRINE_ASSIGN_OR_RETURN(hidden, engine.forward(std::span(&step, 1)));
  }
  emit(detokenizer.flush());
  report.decode_seconds = seconds_since(start);
  return report;
}

Result<LogitsReport> TextModel::logits(const std::vector<std::int32_t>& token_ids,
                                       const std::vector<std::int32_t>& encoder_token_ids) {
  return api::sequence_logits(state_->engine, token_ids, encoder_token_ids);
}

std::vector<std::int32_t> TextModel::tokenize(std::string_view text,
                                              bool add_special_tokens) const {
  return state_->tokenizer->encode(text, add_special_tokens ? input::SpecialTokens::kInclude
                                                            : input::SpecialTokens::kExclude);
}

std::string TextModel::detokenize(const std::vector<std::int32_t>& token_ids,
                                  bool skip_special_tokens) const {
  return state_->tokenizer->decode(token_ids, skip_special_tokens
                                                  ? input::SpecialTokens::kExclude
                                                  : input::SpecialTokens::kInclude);
}

Result<SpeedReport> TextModel::measure_speed(const SpeedOptions& options) {
  TRINE_ASSIGN_OR_RETURN(
      const eval::SpeedResult result,
      eval::measure_speed(state_->engine,
                          {options.prompt_tokens, options.decode_tokens, options.repeats}));
  return SpeedReport{.prefill_tokens_per_second = result.prefill_tokens_per_second,
                     .decode_tokens_per_second = result.decode_tokens_per_second,
                     .active_bytes = result.active_bytes,
                     .read_bandwidth = result.read_bandwidth,
                     .decode_limit = result.decode_limit(),
                     .fits_in_cache = result.active_bytes < result.largest_cache_bytes,
                     .threads = state_->engine.threads(),
                     .isa = std::string(state_->engine.kernels().name)};
}

}  // namespace trine
