#include "api/loaded_model.h"

#include <algorithm>
#include <chrono>

#include "input/streaming_detokenizer.h"
#include "models/generation_config.h"
#include "runtime/sampler.h"

namespace trine::api {
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

bool LoadedModel::is_end(std::int32_t token) const {
  return std::find(end_tokens.begin(), end_tokens.end(), token) != end_tokens.end();
}

Result<LoadedModel> load_model(const std::string& path, const EngineOptions& options) {
  TRINE_ASSIGN_OR_RETURN(OpenedModel model, open_model(path));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, make_engine(model, options));
  TRINE_ASSIGN_OR_RETURN(auto tokenizer, input::open_tokenizer(path));
  const base::Json& config = model.packed ? model.packed->config() : model.original->config();
  TRINE_ASSIGN_OR_RETURN(auto end_tokens, models::read_end_tokens(path, config));
  if (end_tokens.empty() && tokenizer->eos_id()) end_tokens.push_back(*tokenizer->eos_id());
  return LoadedModel{std::move(model), std::move(engine), std::move(tokenizer),
                     std::move(end_tokens)};
}

Result<GenerateReport> write_on(LoadedModel& loaded, runtime::KvCache& cache,
                                std::span<const std::int32_t> prompt,
                                const GenerateOptions& options, const TextCallback& on_text,
                                std::vector<std::int32_t>* all_ids) {
  const runtime::SamplerOptions sampling = sampler_options(options);
  TRINE_RETURN_IF_ERROR(
      runtime::check_sampler_options(sampling, loaded.engine.spec().vocab_size));
  runtime::Engine& engine = loaded.engine;
  GenerateReport report{.finish_reason = "length", .prompt_tokens = prompt.size()};
  runtime::Sampler sampler(sampling);
  input::StreamingDetokenizer detokenizer(*loaded.tokenizer, input::SpecialTokens::kExclude);
  std::vector<std::int32_t> token_ids;  // of the text the decoder writes on
  if (const auto& encoder = engine.spec().encoder) {
    token_ids = {encoder->decoder_start_token};
  } else {
    token_ids.assign(prompt.begin(), prompt.end());
  }
  // What comes before goes through the detokenizer too: whether the first new token starts with
  // a space depends on it.
  for (const std::int32_t id : token_ids) static_cast<void>(detokenizer.push(id));

  const auto emit = [&](const std::string& piece) {
    report.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  auto start = Clock::now();
  TRINE_ASSIGN_OR_RETURN(auto hidden, engine.prefill({prompt.subspan(cache.length()), &cache}));
  report.prefill_seconds = seconds_since(start);
  start = Clock::now();
  while (report.generated_tokens < options.max_tokens) {
    const auto logits = engine.logits(hidden);
    const std::int32_t next = sampler.sample(logits, {token_ids, {}});
    if (loaded.is_end(next)) {
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
  if (all_ids != nullptr) *all_ids = std::move(token_ids);
  return report;
}

}  // namespace trine::api
