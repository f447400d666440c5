#include <trine/inspect.h>
#include <trine/serving.h>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>

#include "api/answer_grammars.h"
#include "api/answer_text.h"
#include "api/loaded_model.h"
#include "api/token_texts.h"
#include "base/json.h"
#include "input/chat_template/chat_template.h"
#include "runtime/scheduler.h"

namespace trine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kDefaultLongest =
    8;  ///< longest sequences the default cache has room for
constexpr std::uint64_t kMostDefaultBytes = std::uint64_t{4} << 30;
constexpr std::size_t kContextWithoutLimit = 4096;  ///< of models that name no limit
constexpr std::size_t kMostPages = std::size_t{1} << 24;

runtime::SamplerOptions sampler_options(const GenerationRequest& request) {
  return {.temperature = request.temperature,
          .top_k = request.top_k,
          .top_p = request.top_p,
          .min_p = request.min_p,
          .repetition_penalty = request.repetition_penalty,
          .seed = request.seed,
          .frequency_penalty = request.frequency_penalty,
          .presence_penalty = request.presence_penalty,
          .logit_bias = request.logit_bias};
}

ScoredToken scored(const runtime::TokenScore& score) {
  ScoredToken token{score.token.token, score.token.log_probability, {}};
  for (const auto& likely : score.most_likely) {
    token.most_likely.emplace_back(likely.token, likely.log_probability);
  }
  return token;
}

std::uint64_t physical_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

struct CachePlan {
  std::size_t context_length = 0;
  std::size_t num_pages = 0;
};

/// Memory for keys and values, and the longest sequence that fits into it.
Result<CachePlan> plan_cache(const ModelSpec& spec, const ServiceOptions& options,
                             runtime::KvFormat format) {
  const std::size_t own = spec.max_position_embeddings;
  std::size_t context = own > 0 ? own : kContextWithoutLimit;
  if (options.context_length > 0) context = options.context_length;
  if (own > 0 && context > own) {
    return fail(ErrorCode::kInvalidArgument,
                "the context length is {}, and the model has positions for {} tokens", context,
                own);
  }
  if (context < 2) {
    return fail(ErrorCode::kInvalidArgument, "the context length is {}, expected at least 2",
                context);
  }
  const std::size_t page_bytes = runtime::KvPool::page_bytes(spec, format);
  const std::size_t longest = (context + runtime::kPageTokens - 1) / runtime::kPageTokens;
  std::uint64_t bytes = options.kv_cache_bytes;
  if (bytes == 0) {
    const std::uint64_t wanted = std::uint64_t{longest} * options.most_running * page_bytes;
    bytes = std::min({wanted, kMostDefaultBytes, physical_bytes() / 4});
  }
  const std::size_t num_pages = std::min<std::uint64_t>(bytes / page_bytes, kMostPages);
  if (num_pages == 0) {
    return fail(ErrorCode::kInvalidArgument,
                "the KV cache has {} bytes, and {} tokens of this model need {}", bytes,
                runtime::kPageTokens, page_bytes);
  }
  return CachePlan{std::min(context, num_pages * runtime::kPageTokens), num_pages};
}

}  // namespace

struct Service::State {
  /// One request between submit() and its last event.
  struct Live {
    GenerationCallback callback;
    api::AnswerText text;
    std::size_t prompt_tokens = 0;
    std::size_t cached_tokens = 0;
    std::size_t generated_tokens = 0;
    runtime::SequenceId sequence = 0;
  };
  struct Submitted {
    RequestId id;
    runtime::SequenceRequest request;
    Live live;
  };

  State(api::LoadedModel model, input::chat_template::ModelTemplates read)
      : loaded(std::move(model)),
        templates(std::move(read)),
        token_texts(*loaded.tokenizer),
        grammars(*loaded.tokenizer, loaded.end_tokens) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      is_stopping = true;
    }
    wake.notify_all();
    if (thread.joinable()) thread.join();
  }

  void run();
  [[nodiscard]] bool take_commands();
  void step();
  void deliver(const runtime::SequenceOutput& output);
  void fail_all(const std::string& sentence);
  void update_status(double seconds, std::size_t prompt, std::size_t generated);
  [[nodiscard]] Status check_request(const GenerationRequest& request) const;

  api::LoadedModel loaded;
  input::chat_template::ModelTemplates templates;
  api::TokenTexts token_texts;
  api::AnswerGrammars grammars;
  ServedModel facts{};
  ServiceOptions options{};
  std::unique_ptr<runtime::Scheduler> scheduler{};

  mutable std::mutex mutex{};  ///< of everything from here to `thread`
  std::condition_variable wake{};
  std::vector<Submitted> submitted{};
  std::vector<RequestId> cancelled{};
  std::size_t num_live = 0;
  RequestId next_id = 1;
  bool is_stopping = false;
  ServiceStatus totals{};

  // Of the thread alone.
  std::unordered_map<RequestId, Live> live{};
  std::unordered_map<runtime::SequenceId, RequestId> request_of{};
  std::uint64_t step_cached = 0;
  std::thread thread{};
};

Service::Service(std::unique_ptr<State> state) : state_(std::move(state)) {}
Service::Service(Service&&) noexcept = default;
Service& Service::operator=(Service&&) noexcept = default;
Service::~Service() = default;

Result<Service> Service::open(const std::string& path, const ServiceOptions& options) {
  TRINE_ASSIGN_OR_RETURN(api::LoadedModel loaded, api::load_model(path, options.engine));
  TRINE_ASSIGN_OR_RETURN(auto templates, input::chat_template::ModelTemplates::read(path));
  TRINE_ASSIGN_OR_RETURN(const ModelInspection inspection, inspect_model(path));
  TRINE_ASSIGN_OR_RETURN(const auto format, runtime::kv_format_named(options.kv_cache));
  TRINE_ASSIGN_OR_RETURN(const CachePlan cache,
                         plan_cache(loaded.model.spec(), options, format));
  if (options.most_running == 0 || options.prefill_tokens == 0) {
    return fail(ErrorCode::kInvalidArgument, "{} is 0, expected at least 1",
                options.most_running == 0 ? "most_running" : "prefill_tokens");
  }
  auto state = std::make_unique<State>(std::move(loaded), std::move(templates));
  state->options = options;
  const ModelSpec& spec = state->loaded.model.spec();
  const auto directory = std::filesystem::absolute(path).lexically_normal();
  const auto name = directory.has_filename() ? directory : directory.parent_path();
  state->facts = {.name = name.filename().string(),
                  .family = spec.family,
                  .vocab_size = spec.vocab_size,
                  .hidden_size = spec.hidden_size,
                  .context_length = cache.context_length,
                  .max_position_embeddings = spec.max_position_embeddings,
                  .num_parameters = inspection.num_parameters,
                  .stored_bytes = inspection.stored_bytes,
                  .has_encoder = spec.encoder.has_value(),
                  .bos_token = state->loaded.tokenizer->bos_id(),
                  .eos_token = state->loaded.tokenizer->eos_id(),
                  .chat_template = state->templates.source(),
                  .tool_template = state->templates.source(true),
                  .compression = inspection.compression};
  state->scheduler = std::make_unique<runtime::Scheduler>(
      state->loaded.engine,
      runtime::SchedulerOptions{options.most_running, options.prefill_tokens, format,
                                cache.num_pages});
  state->totals.kv_cache_capacity = std::uint64_t{cache.num_pages} * runtime::kPageTokens;
  state->thread = std::thread([running = state.get()] { running->run(); });
  return Service(std::move(state));
}

void Service::State::run() {
  for (;;) {
    try {
      if (!take_commands()) return;
      step();
    } catch (const std::bad_alloc&) {
      fail_all("not enough memory for what was running");
    } catch (const std::exception& error) {
      fail_all(std::string("a bug in Trine, please report it: ") + error.what());
    }
  }
}

/// Waits for something to do; false at the end.
bool Service::State::take_commands() {
  std::vector<Submitted> added;
  std::vector<RequestId> ended;
  {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] {
      return is_stopping || !submitted.empty() || !cancelled.empty() || !scheduler->is_idle();
    });
    if (is_stopping) return false;
    added.swap(submitted);
    ended.swap(cancelled);
  }
  for (Submitted& request : added) {
    // Into the list first: should the rest throw, fail_all() tells its client.
    Live& mine = live.emplace(request.id, std::move(request.live)).first->second;
    mine.sequence = scheduler->add(std::move(request.request));
    request_of[mine.sequence] = request.id;
  }
  std::size_t removed = 0;
  for (const RequestId id : ended) {
    const auto found = live.find(id);
    if (found == live.end()) continue;
    scheduler->cancel(found->second.sequence);
    request_of.erase(found->second.sequence);
    live.erase(found);
    ++removed;
  }
  const std::lock_guard lock(mutex);
  num_live -= removed;
  return true;
}

void Service::State::step() {
  const auto start = Clock::now();
  const auto outputs = scheduler->step();
  if (!outputs) return fail_all(outputs.error().message);
  std::size_t generated = 0;
  for (const runtime::SequenceOutput& output : *outputs) {
    if (output.token) ++generated;
    deliver(output);
  }
  const std::size_t all = scheduler->last_step_tokens();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  update_status(seconds, all - std::min(all, generated), generated);
}

void Service::State::deliver(const runtime::SequenceOutput& output) {
  const auto found = request_of.find(output.id);
  if (found == request_of.end()) return;
  const RequestId id = found->second;
  Live& mine = live.at(id);
  if (mine.cached_tokens == 0 && output.cached_tokens > 0) step_cached += output.cached_tokens;
  mine.cached_tokens = output.cached_tokens;
  GenerationEvent event{.prompt_tokens = mine.prompt_tokens,
                        .cached_tokens = mine.cached_tokens};
  for (const auto& score : output.prompt_scores) event.prompt_scores.push_back(scored(score));
  if (output.token) {
    ++mine.generated_tokens;
    event.token = output.score ? scored(*output.score) : ScoredToken{*output.token, 0.0, {}};
    event.is_end_token = output.end == runtime::SequenceEnd::kEndToken;
    if (!event.is_end_token) event.text = mine.text.push(*output.token);
  }
  event.generated_tokens = mine.generated_tokens;
  if (output.end && !mine.text.is_stopped()) event.text += mine.text.flush();
  if (mine.text.is_stopped()) {
    event.finish_reason = "stop";
    scheduler->cancel(output.id);
  } else if (output.end) {
    event.finish_reason = output.end == runtime::SequenceEnd::kLength ? "length" : "stop";
  }
  if (!event.text.empty() || event.token || !event.prompt_scores.empty() ||
      event.finish_reason) {
    mine.callback(event);
  }
  if (!event.finish_reason) return;
  request_of.erase(output.id);
  live.erase(id);
  const std::lock_guard lock(mutex);
  --num_live;
}

void Service::State::fail_all(const std::string& sentence) {
  for (auto& [id, request] : live) {
    scheduler->cancel(request.sequence);
    try {
      request.callback({.finish_reason = "error", .error = sentence});
    } catch (const std::exception&) {
      // The other clients have to hear of it, and the thread has to go on.
    }
  }
  const std::size_t removed = live.size();
  live.clear();
  request_of.clear();
  const std::lock_guard lock(mutex);
  num_live -= removed;
}

void Service::State::update_status(double seconds, std::size_t prompt, std::size_t generated) {
  std::vector<SlotStatus> slots;
  std::size_t running = 0;
  for (const runtime::SequenceStatus& sequence : scheduler->sequences()) {
    const auto found = request_of.find(sequence.id);
    if (found == request_of.end()) continue;
    slots.push_back({found->second, sequence.prompt_tokens, sequence.computed_tokens,
                     sequence.generated_tokens, sequence.is_running});
    if (sequence.is_running) ++running;
  }
  const runtime::KvPool& pool = scheduler->pool();
  const double share = prompt + generated > 0 ? static_cast<double>(prompt) /
                                                    static_cast<double>(prompt + generated)
                                              : 0.0;
  const std::lock_guard lock(mutex);
  totals.requests = std::move(slots);
  totals.running = running;
  totals.kv_cache_tokens =
      std::uint64_t{pool.num_pages() - pool.available_pages()} * runtime::kPageTokens;
  totals.prompt_tokens_total += prompt;
  totals.cached_tokens_total += step_cached;
  totals.generated_tokens_total += generated;
  totals.prompt_seconds_total += seconds * share;
  totals.generate_seconds_total += seconds * (1.0 - share);
  totals.preemptions_total = scheduler->preemptions();
  step_cached = 0;
}

const ServedModel& Service::model() const noexcept { return state_->facts; }

Status Service::State::check_request(const GenerationRequest& request) const {
  if (request.prompt.empty()) {
    return fail(ErrorCode::kInvalidArgument, "prompt has no tokens; give some text");
  }
  for (const std::int32_t token : request.prompt) {
    if (token < 0 || static_cast<std::size_t>(token) >= facts.vocab_size) {
      return fail(ErrorCode::kInvalidArgument,
                  "prompt has the token id {}, outside the vocabulary of {} tokens", token,
                  facts.vocab_size);
    }
  }
  if (request.prompt.size() >= facts.context_length) {
    return fail(ErrorCode::kInvalidArgument,
                "prompt has {} tokens, and the context has {} for it and at least one new one",
                request.prompt.size(), facts.context_length);
  }
  if (request.max_tokens == 0) {
    return fail(ErrorCode::kInvalidArgument, "max_tokens is 0, expected at least 1");
  }
  if (request.scores_prompt && (facts.has_encoder || !request.top_scores)) {
    return fail(ErrorCode::kInvalidArgument, "scores of the prompt need {}",
                facts.has_encoder ? "a model without an encoder" : "logprobs");
  }
  for (const std::string& text : request.stop) {
    if (text.empty()) return fail(ErrorCode::kInvalidArgument, "stop has an empty text");
  }
  return runtime::check_sampler_options(sampler_options(request), facts.vocab_size);
}

Result<std::optional<RequestId>> Service::submit(GenerationRequest request,
                                                 GenerationCallback callback) {
  State& state = *state_;
  TRINE_RETURN_IF_ERROR(state.check_request(request));
  const std::size_t room = state.facts.context_length - request.prompt.size();
  const auto& encoder = state.loaded.model.spec().encoder;
  const std::span<const std::int32_t> before =
      encoder ? std::span(&encoder->decoder_start_token, 1) : std::span(request.prompt);
  State::Live live{.callback = std::move(callback),
                   .text = api::AnswerText(*state.loaded.tokenizer, before, request.stop),
                   .prompt_tokens = request.prompt.size()};
  runtime::SequenceRequest wanted{
      .prompt = std::move(request.prompt),
      .sampling = sampler_options(request),
      .max_tokens = std::min(request.max_tokens, room),
      .end_tokens = request.ignores_end ? std::vector<std::int32_t>{} : state.loaded.end_tokens,
      .top_scores = request.top_scores,
      .scores_prompt = request.scores_prompt,
      .client = std::move(request.client),
      .filter = std::move(request.filter)};
  RequestId id = 0;
  {
    const std::lock_guard lock(state.mutex);
    const std::size_t most = state.options.most_running + state.options.most_waiting;
    if (state.num_live >= most) return std::optional<RequestId>();
    ++state.num_live;
    ++state.totals.requests_total;
    id = state.next_id++;
    state.submitted.push_back({id, std::move(wanted), std::move(live)});
  }
  state.wake.notify_all();
  return std::optional(id);
}

void Service::cancel(RequestId id) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->cancelled.push_back(id);
  }
  state_->wake.notify_all();
}

Result<std::vector<std::int32_t>> Service::encode_chat(const ChatPrompt& chat) const {
  TRINE_ASSIGN_OR_RETURN(const std::string text, render_chat(chat));
  // A template writes the special tokens itself; plain lines need the model's own first token.
  return encode(text, state_->templates.empty());
}

Result<std::string> Service::render_chat(const ChatPrompt& chat) const {
  input::chat_template::ChatInput given;
  TRINE_ASSIGN_OR_RETURN(given.messages, base::parse_ordered_json(chat.messages, "messages"));
  if (!chat.tools.empty()) {
    TRINE_ASSIGN_OR_RETURN(given.tools, base::parse_ordered_json(chat.tools, "tools"));
  }
  if (!chat.variables.empty()) {
    TRINE_ASSIGN_OR_RETURN(given.variables,
                           base::parse_ordered_json(chat.variables, "chat_template_kwargs"));
  }
  given.now = chat.local_time;
  return state_->templates.empty() ? input::chat_template::plain_chat_text(given)
                                   : state_->templates.render(given);
}

Result<std::shared_ptr<TokenFilter>> Service::json_filter(std::string_view schema) const {
  TRINE_ASSIGN_OR_RETURN(auto filters, state_->grammars.filters(schema, 1));
  return std::move(filters.front());
}

Result<std::vector<std::shared_ptr<TokenFilter>>> Service::json_filters(
    std::string_view schema, std::size_t count) const {
  return state_->grammars.filters(schema, count);
}

ServiceStatus Service::status() const {
  const std::lock_guard lock(state_->mutex);
  ServiceStatus status = state_->totals;
  status.running = std::min(status.running, state_->num_live);
  status.waiting = state_->num_live - status.running;
  return status;
}

std::vector<std::int32_t> Service::encode(std::string_view text, bool add_special) const {
  return state_->loaded.tokenizer->encode(
      text, add_special ? input::SpecialTokens::kInclude : input::SpecialTokens::kExclude);
}

std::string Service::decode(std::span<const std::int32_t> token_ids, bool skip_special) const {
  return state_->loaded.tokenizer->decode(token_ids, skip_special
                                                         ? input::SpecialTokens::kExclude
                                                         : input::SpecialTokens::kInclude);
}

std::string Service::token_text(std::int32_t token) const {
  return state_->token_texts.text(token);
}

std::string Service::token_bytes(std::int32_t token) const {
  return state_->token_texts.bytes(token);
}

}  // namespace trine
