// Many sequences at once: who computes what in the next step, and with which memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/engine.h"
#include "runtime/kv_pool.h"
#include "runtime/sampler.h"

namespace trine::runtime {

using SequenceId = std::uint64_t;

/// What is to be generated.
struct SequenceRequest {
  std::vector<std::int32_t> prompt{};  ///< at least one token
  SamplerOptions sampling{};           ///< checked by the caller
  std::size_t max_tokens = 0;          ///< at least 1; with the prompt within the context
  std::vector<std::int32_t> end_tokens{};
  std::optional<std::size_t> top_scores{};  ///< set: score every token, and so many best ones
  bool scores_prompt = false;               ///< also those of the prompt, from the second on
  std::string client{};                     ///< whose turn it is depends on it
  std::shared_ptr<TokenFilter> filter{};    ///< null: every token is allowed
};

enum class SequenceEnd {
  kEndToken,    ///< its last token is one of end_tokens
  kLength,      ///< max_tokens
  kNoneAllowed  ///< the filter allowed no token
};

/// What one step gave one sequence.
struct SequenceOutput {
  SequenceId id = 0;
  std::vector<TokenScore> prompt_scores{};  ///< of the next tokens of the prompt, in order
  std::optional<std::int32_t> token{};
  std::optional<TokenScore> score{};
  std::optional<SequenceEnd> end{};
  std::size_t cached_tokens = 0;  ///< of the prompt, taken over from other sequences
};

struct SchedulerOptions {
  std::size_t most_running = 64;  ///< sequences in one step
  std::size_t prefill_tokens =
      256;  ///< of prompts in one step, besides one per running sequence
  KvFormat kv_format = KvFormat::kFp16;
  std::size_t num_pages = 0;  ///< at least those of one longest sequence
};

/// A running or waiting sequence, as others may see it.
struct SequenceStatus {
  SequenceId id = 0;
  std::size_t prompt_tokens = 0;
  std::size_t computed_tokens = 0;
  std::size_t generated_tokens = 0;
  bool is_running = false;
};

/// Continuous batching: every step runs one token of every sequence that is generating and parts
/// of the prompts that are new. What a request gets does not depend on the others: the engine is
/// made steady. Fair: a step's share of prompt tokens is divided among the prompts that wait for
/// them, so a short one never waits for a long one; and a free place goes to the client with the
/// fewest running sequences, then to who came first. When pages run out the youngest sequence
/// gives its own back and is computed again later. One thread at a time.
class Scheduler {
 public:
  /// `engine` must outlive it, and be used by nobody else.
  Scheduler(Engine& engine, const SchedulerOptions& options);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  [[nodiscard]] SequenceId add(SequenceRequest request);
  /// Forgets the sequence; an id that is not there any more is no error.
  void cancel(SequenceId id);

  /// One step; empty when there is nothing to do. An error is about the engine, not a request.
  [[nodiscard]] Result<std::vector<SequenceOutput>> step();

  [[nodiscard]] bool is_idle() const noexcept { return running_.empty() && waiting_.empty(); }
  [[nodiscard]] std::vector<SequenceStatus> sequences() const;
  [[nodiscard]] const KvPool& pool() const noexcept { return pool_; }
  /// Tokens the last step computed.
  [[nodiscard]] std::size_t last_step_tokens() const noexcept { return last_step_tokens_; }
  [[nodiscard]] std::uint64_t preemptions() const noexcept { return preemptions_; }

 private:
  struct Sequence;
  /// Tokens of one sequence in the step.
  struct Part {
    Sequence* sequence;
    std::size_t count;
  };
  using Owned = std::unique_ptr<Sequence>;

  void admit();
  [[nodiscard]] std::size_t next_to_admit() const;
  [[nodiscard]] Status start(Sequence& sequence);
  [[nodiscard]] std::vector<Part> plan();
  void plan_prompts(std::vector<Part>& parts);
  void reserve(std::vector<Part>& parts);
  void preempt_youngest();
  [[nodiscard]] std::vector<SequenceOutput> finish_step(const std::vector<Part>& parts,
                                                        const std::vector<float>& hidden);
  void score_prompt(const Part& part, const float* hidden, SequenceOutput& output);
  static void draw(Sequence& sequence, std::span<const float> logits, SequenceOutput& output);
  void sample(std::vector<Sequence*>& ready, const std::vector<float>& hidden,
              std::vector<SequenceOutput*>& outputs);
  void publish(Sequence& sequence);
  [[nodiscard]] bool may_share(const Sequence& sequence) const;

  Engine* engine_;
  SchedulerOptions options_;
  KvPool pool_;
  std::vector<Owned> running_{};  ///< oldest first
  std::deque<Owned> waiting_{};   ///< oldest first
  SequenceId next_id_ = 1;
  std::size_t rotation_ = 0;
  std::size_t last_step_tokens_ = 0;
  std::uint64_t preemptions_ = 0;
};

}  // namespace trine::runtime
