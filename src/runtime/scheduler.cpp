#include "runtime/scheduler.h"

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

namespace trine::runtime {
namespace {

/// A filter that refuses what it allowed has a fault, which ends its own sequence and no other.
bool is_accepted(TokenFilter* filter, std::int32_t token) {
  if (filter == nullptr) return true;
  try {
    filter->accept(token);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

struct Scheduler::Sequence {
  Sequence(SequenceId given_id, SequenceRequest given_request, const ModelSpec& spec,
           KvPool& pool)
      : id(given_id),
        request(std::move(given_request)),
        sampler(request.sampling),
        pages(std::make_unique<PageTable>(pool)),
        cache(spec, *pages) {
    token_ids = spec.encoder ? std::vector{spec.encoder->decoder_start_token} : request.prompt;
    first_generated = token_ids.size();
  }

  [[nodiscard]] std::size_t missing() const noexcept {
    return token_ids.size() - cache.length();
  }
  [[nodiscard]] bool is_generating() const noexcept { return missing() == 1; }
  [[nodiscard]] std::span<const std::int32_t> generated() const {
    return std::span(token_ids).subspan(first_generated);
  }

  SequenceId id;
  SequenceRequest request;
  Sampler sampler;
  std::unique_ptr<PageTable> pages;
  KvCache cache;
  std::vector<std::int32_t> token_ids{};  ///< what the decoder has seen and will see next
  std::size_t first_generated = 0;
  std::size_t scored = 0;         ///< prompt tokens whose scores were given out
  std::size_t cached_tokens = 0;  ///< taken over at the first start
  bool was_started = false;
};

Scheduler::Scheduler(Engine& engine, const SchedulerOptions& options)
    : engine_(&engine),
      options_(options),
      pool_(engine.spec(), options.kv_format, options.num_pages) {
  engine.set_steady(true);
}

Scheduler::~Scheduler() = default;

SequenceId Scheduler::add(SequenceRequest request) {
  check(!request.prompt.empty() && request.max_tokens > 0, "Scheduler::add: nothing to do");
  const std::size_t most = request.prompt.size() + request.max_tokens;
  check(most <= pool_.num_pages() * kPageTokens, "Scheduler::add: longer than the memory");
  waiting_.push_back(
      std::make_unique<Sequence>(next_id_, std::move(request), engine_->spec(), pool_));
  return next_id_++;
}

void Scheduler::cancel(SequenceId id) {
  const auto has_id = [id](const Owned& sequence) { return sequence->id == id; };
  std::erase_if(running_, has_id);
  std::erase_if(waiting_, has_id);
}

/// Whether keys of the same tokens are the same in every sequence. Some rotary scalings turn them
/// by the length of the prompt; what an encoder read is not among the tokens.
bool Scheduler::may_share(const Sequence& sequence) const {
  const RopeSpec& rope = engine_->spec().rope;
  const bool by_length = rope.original_positions > 0 &&
                         (rope.dynamic_theta > 0.0 || !rope.long_frequencies.empty());
  return !engine_->spec().encoder &&
         !(by_length && sequence.token_ids.size() > rope.original_positions);
}

/// The waiting sequence of the client with the fewest running ones; the first of equals.
std::size_t Scheduler::next_to_admit() const {
  std::map<std::string_view, std::size_t> running;
  for (const Owned& sequence : running_) ++running[sequence->request.client];
  const auto runs = [&](const Owned& sequence) {
    const auto found = running.find(sequence->request.client);
    return found == running.end() ? 0 : found->second;
  };
  const auto best =
      std::min_element(waiting_.begin(), waiting_.end(), [&](const Owned& a, const Owned& b) {
        const std::size_t left = runs(a), right = runs(b);
        return left != right ? left < right : a->id < b->id;
      });
  return static_cast<std::size_t>(best - waiting_.begin());
}

void Scheduler::admit() {
  while (!waiting_.empty() && running_.size() < options_.most_running) {
    const std::size_t next = next_to_admit();
    // One more page for each that runs: it may need it in the very next step.
    const std::size_t needed =
        waiting_[next]->pages->missing(waiting_[next]->token_ids.size() + 1) + running_.size();
    if (!running_.empty() && needed > pool_.available_pages()) return;
    Owned sequence = std::move(waiting_[next]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(next));
    const auto place =
        std::lower_bound(running_.begin(), running_.end(), sequence,
                         [](const Owned& a, const Owned& b) { return a->id < b->id; });
    running_.insert(place, std::move(sequence));
  }
}

/// Before the first step of a sequence: the encoder's work, and what is already in memory.
Status Scheduler::start(Sequence& sequence) {
  if (engine_->spec().encoder && sequence.cache.memory_length() == 0) {
    const SequenceStep input{sequence.request.prompt, &sequence.cache};
    TRINE_RETURN_IF_ERROR(engine_->encode(std::span(&input, 1)));
  }
  const std::size_t length = sequence.cache.length();
  const bool at_page_end = length == sequence.pages->num_published() * kPageTokens;
  if (may_share(sequence) && at_page_end && !sequence.request.scores_prompt) {
    // The last token is always computed: somebody wants to know what follows it.
    const std::size_t known = sequence.pages->adopt(
        std::span(sequence.token_ids).first(sequence.token_ids.size() - 1));
    if (!sequence.was_started) sequence.cached_tokens += known - length;
    sequence.cache.set_length(known);
  }
  return {};
}

/// Divides the step's prompt tokens among the prompts: whole pages at least, in turn. Who needs
/// the very page that another computes in this step waits and takes it over in the next.
void Scheduler::plan_prompts(std::vector<Part>& parts) {
  std::vector<Sequence*> prompts;
  std::set<std::uint64_t> computed;
  for (const Owned& sequence : running_) {
    if (sequence->is_generating()) continue;
    const std::size_t next = sequence->pages->num_published() * kPageTokens;
    if (may_share(*sequence) && next + kPageTokens < sequence->token_ids.size()) {
      const std::uint64_t key =
          page_key(sequence->pages->last_serial(),
                   std::span(sequence->token_ids).subspan(next, kPageTokens));
      const bool is_new = computed.insert(key).second;
      const bool can_wait =
          sequence->cache.length() == next && !sequence->request.scores_prompt;
      if (!is_new && can_wait) continue;
    }
    prompts.push_back(sequence.get());
  }
  if (prompts.empty()) return;
  std::size_t budget = options_.prefill_tokens;
  std::rotate(prompts.begin(),
              prompts.begin() + static_cast<std::ptrdiff_t>(rotation_++ % prompts.size()),
              prompts.end());
  // The shortest first: what they leave is for the others.
  std::stable_sort(prompts.begin(), prompts.end(), [](const Sequence* a, const Sequence* b) {
    return std::min(a->missing(), kPageTokens) < std::min(b->missing(), kPageTokens);
  });
  for (std::size_t i = 0; i < prompts.size() && budget > 0; ++i) {
    const std::size_t share = std::max(kPageTokens, budget / (prompts.size() - i));
    const std::size_t count = std::min({share, prompts[i]->missing(), budget});
    parts.push_back({prompts[i], count});
    budget -= count;
  }
}

std::vector<Scheduler::Part> Scheduler::plan() {
  std::vector<Part> parts;
  for (const Owned& sequence : running_) {
    if (sequence->is_generating()) parts.push_back({sequence.get(), 1});
  }
  plan_prompts(parts);
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.sequence->id < b.sequence->id; });
  return parts;
}

void Scheduler::preempt_youngest() {
  Owned youngest = std::move(running_.back());
  running_.pop_back();
  youngest->pages->clear();
  youngest->cache.truncate(0);
  ++preemptions_;
  const auto place =
      std::lower_bound(waiting_.begin(), waiting_.end(), youngest,
                       [](const Owned& a, const Owned& b) { return a->id < b->id; });
  waiting_.insert(place, std::move(youngest));
}

/// Memory for every part, oldest first; the youngest sequences make room and leave the step. The
/// oldest always gets its own: the pool is larger than any sequence.
void Scheduler::reserve(std::vector<Part>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Sequence& sequence = *parts[i].sequence;
    while (!sequence.pages->reserve(sequence.cache.length() + parts[i].count)) {
      const SequenceId youngest = running_.back()->id;
      preempt_youngest();
      std::erase_if(parts, [&](const Part& part) { return part.sequence->id == youngest; });
      if (youngest == sequence.id) return;  // it was the last one
    }
  }
}

Result<std::vector<SequenceOutput>> Scheduler::step() {
  admit();
  for (const Owned& sequence : running_) {
    if (sequence->is_generating() && sequence->was_started) continue;
    TRINE_RETURN_IF_ERROR(start(*sequence));
  }
  std::vector<Part> parts = plan();
  reserve(parts);
  last_step_tokens_ = 0;
  if (parts.empty()) return std::vector<SequenceOutput>{};
  std::vector<SequenceStep> steps;
  for (const Part& part : parts) {
    Sequence& sequence = *part.sequence;
    const auto next =
        std::span(sequence.token_ids).subspan(sequence.cache.length(), part.count);
    last_step_tokens_ += part.count;
    steps.push_back({next, &sequence.cache, sequence.token_ids.size()});
  }
  TRINE_ASSIGN_OR_RETURN(const std::vector<float> hidden, engine_->forward(steps));
  return finish_step(parts, hidden);
}

/// Logits of many positions would be large: 2048 tokens of a vocabulary of 150 000 are 1.2 GB.
void Scheduler::score_prompt(const Part& part, const float* hidden, SequenceOutput& output) {
  constexpr std::size_t kRowsAtOnce = 64;
  Sequence& sequence = *part.sequence;
  const std::size_t width = engine_->spec().hidden_size, vocab = engine_->spec().vocab_size;
  const std::size_t first = sequence.cache.length() - part.count;
  for (std::size_t row = 0; row < part.count; row += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, part.count - row);
    const auto logits = engine_->logits({hidden + row * width, count * width});
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t next = first + row + i + 1;  // the token these logits are about
      if (next >= sequence.first_generated || next <= sequence.scored) continue;
      output.prompt_scores.push_back(score_token({logits.data() + i * vocab, vocab},
                                                 sequence.token_ids[next],
                                                 sequence.request.top_scores.value_or(0)));
      sequence.scored = next;
    }
  }
}

void Scheduler::publish(Sequence& sequence) {
  if (!may_share(sequence)) return;
  sequence.pages->publish(std::span(sequence.token_ids).first(sequence.cache.length()));
}

/// The next token of one sequence, by the logits of its last position.
void Scheduler::draw(Sequence& sequence, std::span<const float> logits,
                     SequenceOutput& output) {
  const std::int32_t token = sequence.sampler.sample(
      logits, {sequence.request.prompt, sequence.generated()}, sequence.request.filter.get());
  if (token < 0) {
    output.end = SequenceEnd::kNoneAllowed;
    return;
  }
  output.token = token;
  if (sequence.request.top_scores) {
    output.score = score_token(logits, token, *sequence.request.top_scores);
  }
}

/// Draws the next token of every sequence in `ready`; `hidden` has a row for each.
void Scheduler::sample(std::vector<Sequence*>& ready, const std::vector<float>& hidden,
                       std::vector<SequenceOutput*>& outputs) {
  if (ready.empty()) return;
  const std::size_t vocab = engine_->spec().vocab_size;
  const std::vector<float> logits = engine_->logits(hidden);
  constexpr std::size_t kLogitCost = 32;  // looking at one, in multiplications
  engine_->for_each(ready.size(), logits.size() * kLogitCost, [&](std::size_t i) {
    draw(*ready[i], {logits.data() + i * vocab, vocab}, *outputs[i]);
  });
  for (std::size_t i = 0; i < ready.size(); ++i) {
    if (!outputs[i]->token) continue;
    Sequence& sequence = *ready[i];
    const std::int32_t token = *outputs[i]->token;
    if (!is_accepted(sequence.request.filter.get(), token)) {
      outputs[i]->token.reset();
      outputs[i]->score.reset();
      outputs[i]->end = SequenceEnd::kNoneAllowed;
      continue;
    }
    sequence.token_ids.push_back(token);
    const auto& ends = sequence.request.end_tokens;
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      outputs[i]->end = SequenceEnd::kEndToken;
    } else if (sequence.generated().size() >= sequence.request.max_tokens) {
      outputs[i]->end = SequenceEnd::kLength;
    }
  }
}

std::vector<SequenceOutput> Scheduler::finish_step(const std::vector<Part>& parts,
                                                   const std::vector<float>& hidden) {
  const std::size_t width = engine_->spec().hidden_size;
  std::vector<SequenceOutput> outputs(parts.size());
  std::vector<Sequence*> ready;
  std::vector<SequenceOutput*> ready_outputs;
  std::vector<float> last_rows;
  const float* rows = hidden.data();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Sequence& sequence = *parts[i].sequence;
    publish(sequence);
    sequence.was_started = true;
    outputs[i].id = sequence.id;
    outputs[i].cached_tokens = sequence.cached_tokens;
    if (sequence.request.scores_prompt && sequence.scored + 1 < sequence.first_generated) {
      score_prompt(parts[i], rows, outputs[i]);
    }
    rows += parts[i].count * width;
    if (sequence.missing() > 0) continue;
    ready.push_back(&sequence);
    ready_outputs.push_back(&outputs[i]);
    last_rows.insert(last_rows.end(), rows - width, rows);
  }
  sample(ready, last_rows, ready_outputs);
  for (const SequenceOutput& output : outputs) {
    if (output.end) cancel(output.id);
  }
  return outputs;
}

std::vector<SequenceStatus> Scheduler::sequences() const {
  std::vector<SequenceStatus> all;
  const auto add_status = [&](const Owned& sequence, bool is_running) {
    all.push_back({sequence->id, sequence->request.prompt.size(), sequence->cache.length(),
                   sequence->generated().size(), is_running});
  };
  for (const Owned& sequence : running_) add_status(sequence, true);
  for (const Owned& sequence : waiting_) add_status(sequence, false);
  return all;
}

}  // namespace trine::runtime
