// A model ready to write text: weights, engine, tokenizer, and the tokens that end a text.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <trine/engine.h>
#include "api/opened_model.h"
#include "input/tokenizer.h"
#include "runtime/engine.h"
#include "runtime/kv_cache.h"

namespace trine::api {

struct LoadedModel {
  OpenedModel model;
  runtime::Engine engine;
  std::unique_ptr<input::Tokenizer> tokenizer;
  std::vector<std::int32_t> end_tokens;

  [[nodiscard]] bool is_end(std::int32_t token) const;
};

[[nodiscard]] Result<LoadedModel> load_model(const std::string& path,
                                             const EngineOptions& options);

/// Writes on from `prompt`, not empty, until an end token or options.max_tokens; an
/// encoder–decoder model reads the prompt with its encoder. `cache` holds the keys and values of
/// the first tokens of the prompt, and at least the last is not among them. `token_ids`, if given,
/// receives prompt and answer, of which the last may not be in the cache.
[[nodiscard]] Result<GenerateReport> write_on(LoadedModel& loaded, runtime::KvCache& cache,
                                              std::span<const std::int32_t> prompt,
                                              const GenerateOptions& options,
                                              const TextCallback& on_text,
                                              std::vector<std::int32_t>* token_ids = nullptr);

}  // namespace trine::api
