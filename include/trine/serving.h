// A model that many requests use at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <trine/engine.h>
#include <trine/inspect.h>
#include <trine/result.h>
#include <trine/token_filter.h>
#include <utility>
#include <vector>

namespace trine {

struct ServiceOptions {
  EngineOptions engine{};
  std::size_t most_running = 64;     ///< requests that generate together
  std::size_t most_waiting = 512;    ///< more are refused
  std::size_t prefill_tokens = 256;  ///< of prompts in one step
  std::string kv_cache = "fp16";     ///< or "fp32", "int8"
  std::uint64_t kv_cache_bytes =
      0;  ///< 0: room for all that run, at most 4 GiB or a quarter of the memory
  std::size_t context_length = 0;  ///< prompt and answer together; 0: that of the model
};

/// What a service says about its model.
struct ServedModel {
  std::string name{};  ///< of its directory
  std::string family{};
  std::size_t vocab_size = 0;
  std::size_t hidden_size = 0;
  std::size_t context_length = 0;           ///< most tokens of prompt and answer
  std::size_t max_position_embeddings = 0;  ///< 0: the model has no limit of its own
  std::uint64_t num_parameters = 0;
  std::uint64_t stored_bytes = 0;
  bool has_encoder = false;
  std::optional<std::int32_t> bos_token{}, eos_token{};
  std::string chat_template{};                         ///< empty: none
  std::string tool_template{};                         ///< of requests with tools
  std::optional<CompressionInspection> compression{};  ///< of packed models
};

struct GenerationRequest {
  std::vector<std::int32_t> prompt{};
  std::size_t max_tokens = 16;  ///< cut to what the context leaves
  double temperature = 1.0;     ///< 0: always the most likely token
  std::size_t top_k = 0;        ///< 0: all
  double top_p = 1.0;
  double min_p = 0.0;
  double repetition_penalty = 1.0;
  double frequency_penalty = 0.0;
  double presence_penalty = 0.0;
  std::vector<std::pair<std::int32_t, double>> logit_bias{};
  std::uint64_t seed = 0;           ///< same seed, request and model: same text
  std::vector<std::string> stop{};  ///< texts that end the answer and are not part of it
  bool ignores_end = false;         ///< goes on after the end-of-sequence token
  /// Set: every token comes with its log-probability and those of so many most likely ones.
  std::optional<std::size_t> top_scores{};
  bool scores_prompt = false;             ///< also the tokens of the prompt; needs top_scores
  std::string client{};                   ///< requests of one client share its turns
  std::shared_ptr<TokenFilter> filter{};  ///< null: every token is allowed
};

/// A token with the natural logarithms of probabilities, before temperature and penalties.
struct ScoredToken {
  std::int32_t token = 0;
  double log_probability = 0.0;
  std::vector<std::pair<std::int32_t, double>> most_likely{};  ///< best first
};

struct GenerationEvent {
  std::string text{};  ///< became certain; whole characters
  std::vector<ScoredToken>
      prompt_scores{};  ///< of the prompt's next tokens, from its second on
  /// What was generated now; its text may come later. Scored if that was asked for.
  std::optional<ScoredToken> token{};
  bool is_end_token = false;  ///< the token ended the answer and has no text
  /// Set in the last event: "stop" (end token or stop text), "length", "error".
  std::optional<std::string> finish_reason{};
  std::string error{};  ///< a sentence, with finish_reason "error"
  std::size_t prompt_tokens = 0;
  std::size_t cached_tokens = 0;  ///< of the prompt, known from earlier requests
  std::size_t generated_tokens = 0;
};

/// Called from the service's thread; what it does delays every request.
using GenerationCallback = std::function<void(const GenerationEvent&)>;
using RequestId = std::uint64_t;

/// A conversation whose next message the model shall write. JSON as text.
struct ChatPrompt {
  std::string messages{};   ///< a list of objects with role and content
  std::string tools{};      ///< a list; empty: none
  std::string variables{};  ///< an object, more variables for the template; empty: none
  std::tm local_time{};     ///< for templates that write the date
};

struct SlotStatus {
  RequestId id = 0;
  std::size_t prompt_tokens = 0;
  std::size_t computed_tokens = 0;
  std::size_t generated_tokens = 0;
  bool is_running = false;
};

/// Sums are since the start.
struct ServiceStatus {
  std::vector<SlotStatus> requests{};
  std::size_t running = 0;
  std::size_t waiting = 0;
  std::uint64_t kv_cache_tokens = 0;    ///< in use now
  std::uint64_t kv_cache_capacity = 0;  ///< tokens
  std::uint64_t requests_total = 0;
  std::uint64_t prompt_tokens_total = 0;  ///< computed
  std::uint64_t cached_tokens_total = 0;  ///< not computed, because they were known
  std::uint64_t generated_tokens_total = 0;
  double prompt_seconds_total = 0.0;  ///< a step's time is divided by its tokens
  double generate_seconds_total = 0.0;
  std::uint64_t preemptions_total = 0;  ///< requests that gave their memory back for a while
};

/// A model with its tokenizer and a thread that runs all requests together. Every member may be
/// called from any thread. An answer does not depend on what else is running.
class Service {
 public:
  [[nodiscard]] static Result<Service> open(const std::string& path,
                                            const ServiceOptions& options = {});
  Service(Service&&) noexcept;
  Service& operator=(Service&&) noexcept;
  ~Service();  ///< cancels what is running

  [[nodiscard]] const ServedModel& model() const noexcept;

  /// Starts a request; its events come until one has a finish_reason. kInvalidArgument names what
  /// is out of range. Nothing: too many are waiting; the same may work later.
  [[nodiscard]] Result<std::optional<RequestId>> submit(GenerationRequest request,
                                                        GenerationCallback callback);

  /// Soon no more events come for it. Unknown ids are no error.
  void cancel(RequestId id);

  [[nodiscard]] ServiceStatus status() const;

  /// The prompt of a conversation by the model's chat template; without one, lines
  /// "role: content". kInvalidArgument, kMalformed or kUnsupported when the template refuses it.
  [[nodiscard]] Result<std::string> render_chat(const ChatPrompt& chat) const;
  [[nodiscard]] Result<std::vector<std::int32_t>> encode_chat(const ChatPrompt& chat) const;

  /// Allows the texts that a JSON schema describes; empty: any JSON object. One for each request.
  /// kUnsupported and kMalformed name the place in the schema; kUnsupported also when the
  /// vocabulary cannot spell JSON.
  [[nodiscard]] Result<std::shared_ptr<TokenFilter>> json_filter(std::string_view schema) const;
  /// `count` of them for answers to one request, which share what the schema was compiled to.
  [[nodiscard]] Result<std::vector<std::shared_ptr<TokenFilter>>> json_filters(
      std::string_view schema, std::size_t count) const;

  /// Token ids of a text, with those the model expects around it (BOS) if `add_special`.
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, bool add_special) const;
  [[nodiscard]] std::string decode(std::span<const std::int32_t> token_ids,
                                   bool skip_special) const;
  /// The text of one token in the middle of a text; U+FFFD where it is a part of a character.
  [[nodiscard]] std::string token_text(std::int32_t token) const;
  /// The same as bytes, which may be a part of a character.
  [[nodiscard]] std::string token_bytes(std::int32_t token) const;

 private:
  struct State;
  explicit Service(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trine
