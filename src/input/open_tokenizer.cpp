// Which of a model's files the tokenizer is read from.
#include <filesystem>

#include "input/json_tokenizer.h"
#include "input/sentencepiece_tokenizer.h"
#include "input/tokenizer.h"
#include "input/tokenizer_config.h"

namespace trine::input {

Result<std::unique_ptr<Tokenizer>> open_tokenizer(
    const std::filesystem::path& model_directory) {
  TRINE_ASSIGN_OR_RETURN(TokenizerConfig config, read_tokenizer_config(model_directory));
  std::error_code ignored;  // an unreadable entry is reported when it is opened
  const auto json_path = model_directory / "tokenizer.json";
  if (std::filesystem::exists(json_path, ignored)) {
    return open_json_tokenizer(json_path, config);
  }
  const auto model_path = model_directory / "tokenizer.model";
  if (std::filesystem::exists(model_path, ignored)) {
    return open_sentencepiece_tokenizer(model_path, config);
  }
  const auto t5_path = model_directory / "spiece.model";
  if (std::filesystem::exists(t5_path, ignored)) {
    if (!config.add_eos_token) config.add_eos_token = true;  // as T5 was trained
    return open_sentencepiece_tokenizer(t5_path, config);
  }
  return fail(ErrorCode::kNotFound,
              "{}: holds none of tokenizer.json, tokenizer.model and spiece.model",
              model_directory.string());
}

}  // namespace trine::input
