// Runs a model, original or packed: text in, text out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <trine/result.h>
#include <vector>

namespace trine {

struct EngineOptions {
  int threads = 0;    ///< 0: all processors
  std::string isa{};  ///< "scalar", "avx2", "avx512", "avx512vnni"; empty: the best there is
  /// How inputs of packed weights are kept: "16" bits, finer than fp16; "8", twice the speed of long
  /// prompts for an error of about half a percent of each output; or "bf16", rounded as a bf16 model
  /// rounds them, an error of about a sixth of a percent.
  std::string activations = "16";
};

struct GenerateOptions {
  std::size_t max_tokens = 128;
  double temperature = 1.0;  ///< 0: always the most likely token
  std::size_t top_k = 0;     ///< 0: all
  double top_p = 1.0;
  double min_p = 0.0;
  double repetition_penalty = 1.0;
  std::uint64_t seed = 0;  ///< same seed, options and prompt: same text
};

struct GenerateReport {
  std::string text{};           ///< without the prompt
  std::string finish_reason{};  ///< "stop" at the end-of-sequence token, else "length"
  std::size_t prompt_tokens = 0;
  std::size_t generated_tokens = 0;
  double prefill_seconds = 0.0;
  double decode_seconds = 0.0;
};

/// Receives each piece of text as soon as it is certain; pieces are whole characters. What it
/// throws ends generate() and reaches its caller; the model can be used again.
using TextCallback = std::function<void(std::string_view piece)>;

struct SpeedOptions {
  std::size_t prompt_tokens = 512;
  std::size_t decode_tokens = 64;
  int repeats = 5;  ///< medians are reported
};

struct SpeedReport {
  double prefill_tokens_per_second = 0.0;
  double first_token_seconds = 0.0;       ///< from the prompt to the logits that follow it
  double decode_tokens_per_second = 0.0;  ///< one sequence
  double active_bytes = 0.0;              ///< weights read per decoded token
  /// Bytes per second of plain reads by the same threads before and after every few tokens; median.
  double read_bandwidth = 0.0;
  double decode_limit = 0.0;  ///< read_bandwidth / active_bytes, tokens per second
  /// Bytes of active weights per second of each few tokens, over the mean of the two reads around
  /// them; median and quartiles.
  double decode_read_share = 0.0;
  double decode_read_share_first_quartile = 0.0;
  double decode_read_share_third_quartile = 0.0;
  bool fits_in_cache = false;  ///< then decode_limit is not a limit
  std::uint64_t peak_rss_bytes =
      0;  ///< of the process with the model alone, a prompt and a text
  int threads = 0;
  std::string isa{};
};

/// Scores of the next token, before any softmax.
struct LogitsReport {
  std::size_t positions = 0;
  std::size_t vocab_size = 0;
  std::vector<float> values{};  ///< [positions, vocab_size]; row i follows tokens 0…i
};

/// A model with its tokenizer, ready to generate. One call at a time.
class TextModel {
 public:
  [[nodiscard]] static Result<TextModel> open(const std::string& path,
                                              const EngineOptions& options = {});
  TextModel(TextModel&&) noexcept;
  TextModel& operator=(TextModel&&) noexcept;
  ~TextModel();

  /// Whether the model has an encoder and answers a prompt. Others continue it.
  [[nodiscard]] bool has_encoder() const noexcept;

  /// Continues `prompt` until the end-of-sequence token or max_tokens. An encoder–decoder model
  /// reads it with its encoder and decodes a text of its own.
  [[nodiscard]] Result<GenerateReport> generate(std::string_view prompt,
                                                const GenerateOptions& options,
                                                const TextCallback& on_text = {});

  /// Logits of every position of one sequence, no token added. An encoder–decoder model reads
  /// `encoder_token_ids`, and `token_ids` are what its decoder was given so far. kInvalidArgument
  /// for no token ids, ids outside the vocabulary, and an encoder's tokens without an encoder or
  /// the other way round. Tokens that come later change a token's logits by rounding at most.
  [[nodiscard]] Result<LogitsReport> logits(
      const std::vector<std::int32_t>& token_ids,
      const std::vector<std::int32_t>& encoder_token_ids = {});

  /// Token ids of `text`. Special tokens spelled out in it ("</s>") become their ids; with
  /// `add_special_tokens` come those the model expects around a sequence. Never fails: what is not
  /// UTF-8 is read as U+FFFD.
  [[nodiscard]] std::vector<std::int32_t> tokenize(std::string_view text,
                                                   bool add_special_tokens = true) const;

  /// Text of token ids, UTF-8. Ids without a token are left out, and special tokens if so told.
  [[nodiscard]] std::string detokenize(const std::vector<std::int32_t>& token_ids,
                                       bool skip_special_tokens = true) const;

 private:
  struct State;
  explicit TextModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Times prefill and decode of the model in a directory, beside this machine's read bandwidth. Needs
/// no tokenizer: the tokens are random.
[[nodiscard]] Result<SpeedReport> measure_speed(const std::string& path,
                                                const SpeedOptions& options = {},
                                                const EngineOptions& engine = {});

}  // namespace trine
