#include "api/sequence_logits.h"

#include "runtime/kv_cache.h"

namespace trine::api {

Result<LogitsReport> sequence_logits(runtime::Engine& engine,
                                     std::span<const std::int32_t> token_ids,
                                     std::span<const std::int32_t> encoder_token_ids) {
  if (token_ids.empty()) {
    return fail(ErrorCode::kInvalidArgument, "logits of no tokens: give at least one token id");
  }
  const bool has_encoder = engine.spec().encoder.has_value();
  if (has_encoder && encoder_token_ids.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "the model has an encoder: give encoder_token_ids, what it reads");
  }
  if (!has_encoder && !encoder_token_ids.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "encoder_token_ids were given, but the model has no encoder");
  }
  runtime::KvCache cache(engine.spec());
  if (has_encoder) {
    const runtime::SequenceStep input{encoder_token_ids, &cache};
    TRINE_RETURN_IF_ERROR(engine.encode(std::span(&input, 1)));
  }
  const runtime::SequenceStep step{token_ids, &cache};
  TRINE_ASSIGN_OR_RETURN(const auto hidden, engine.forward(std::span(&step, 1)));
  LogitsReport report{.positions = token_ids.size(), .values = engine.logits(hidden)};
  report.vocab_size = report.values.size() / report.positions;
  return report;
}

}  // namespace trine::api
