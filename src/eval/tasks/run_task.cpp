#include "eval/tasks/run_task.h"

#include <algorithm>

#include "eval/greedy_text.h"
#include "eval/loglikelihood.h"
#include "eval/tasks/documents.h"
#include "eval/tasks/prompts.h"

namespace trine::eval {
namespace {

/// Documents whose answers are written together: weights are read once for all of them.
constexpr std::size_t kWrittenTogether = 16;

/// The documents of one subject, or of a task without subjects.
struct SubjectDocuments {
  std::string name{};
  std::vector<Document> documents{};
  std::vector<Document> examples{};
};

/// In the order in which subjects first appear.
std::vector<SubjectDocuments> split_subjects(const Task& task, std::vector<Document> documents,
                                             std::vector<Document> examples) {
  std::vector<SubjectDocuments> subjects;
  const auto place = [&](const Document& document, bool may_add) -> SubjectDocuments* {
    std::string name(task.name);
    if (task.has_subjects) name += "_" + document.subject;
    const auto found =
        std::find_if(subjects.begin(), subjects.end(),
                     [&](const SubjectDocuments& other) { return other.name == name; });
    if (found != subjects.end()) return &*found;
    if (!may_add) return nullptr;
    subjects.push_back({.name = std::move(name)});
    return &subjects.back();
  };
  for (Document& document : documents) {
    place(document, true)->documents.push_back(std::move(document));
  }
  for (Document& example : examples) {
    SubjectDocuments* subject = place(example, false);
    if (subject != nullptr) subject->examples.push_back(std::move(example));
  }
  return subjects;
}

/// Answers the documents of one subject, some of which may be finished already.
class SubjectRun {
 public:
  SubjectRun(const Task& task, const SubjectDocuments& subject, const TaskSettings& settings,
             AskedModel& model, FinishedDocuments& finished)
      : task_(task),
        subject_(subject),
        settings_(settings),
        model_(model),
        finished_(finished),
        encoder_(model.tokenizer, settings.max_length) {
    stops_.assign(task.stops.begin(), task.stops.end());
    if (const auto eos = model.tokenizer.eos_id()) {
      stops_.push_back(model.tokenizer.token_text(*eos));
    }
    std::erase(stops_, std::string_view());
  }

  /// @param on_document called after each finished one.
  Result<std::vector<std::vector<DocumentScore>>> run(
      std::size_t few_shot, std::size_t count, const std::function<void()>& on_document) {
    TRINE_ASSIGN_OR_RETURN(PromptMaker maker,
                           PromptMaker::create(task_, subject_.examples, few_shot));
    std::vector<std::optional<Outcome>> outcomes(count);
    std::vector<Asked> waiting;
    for (std::size_t i = 0; i < count; ++i) {
      TRINE_ASSIGN_OR_RETURN(Prompt prompt, maker.next(subject_.documents[i]));
      const std::uint64_t hash = prompt.hash();
      TRINE_ASSIGN_OR_RETURN(const Outcome* known, finished_.find(subject_.name, i, hash));
      if (known != nullptr) {
        TRINE_RETURN_IF_ERROR(require_complete(*known, prompt, i));
        outcomes[i] = *known;
        on_document();
        continue;
      }
      waiting.push_back({i, hash, std::move(prompt)});
      const bool is_full =
          task_.kind != TaskKind::kGenerate || waiting.size() == kWrittenTogether;
      if (is_full) TRINE_RETURN_IF_ERROR(answer(waiting, outcomes, on_document));
    }
    TRINE_RETURN_IF_ERROR(answer(waiting, outcomes, on_document));
    std::vector<std::vector<DocumentScore>> scores;
    for (std::size_t i = 0; i < count; ++i) {
      scores.push_back(score_document(task_, subject_.documents[i], outcomes[i].value()));
    }
    return scores;
  }

 private:
  struct Asked {
    std::size_t index = 0;
    std::uint64_t hash = 0;
    Prompt prompt{};
  };

  Status require_complete(const Outcome& outcome, const Prompt& prompt,
                          std::size_t index) const {
    const std::size_t expected = task_.kind == TaskKind::kGenerate ? 0 : prompt.requests.size();
    if (outcome.loglikelihoods.size() == expected) return {};
    return fail(
        ErrorCode::kMalformed,
        "the kept result of document {} of {} has {} loglikelihoods, expected {}; leave "
        "out --resume to begin again",
        index, subject_.name, outcome.loglikelihoods.size(), expected);
  }

  Status answer(std::vector<Asked>& waiting, std::vector<std::optional<Outcome>>& outcomes,
                const std::function<void()>& on_document) {
    if (waiting.empty()) return {};
    TRINE_ASSIGN_OR_RETURN(std::vector<Outcome> answers, ask(waiting));
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      TRINE_RETURN_IF_ERROR(
          finished_.add(subject_.name, waiting[i].index, waiting[i].hash, answers[i]));
      outcomes[waiting[i].index] = std::move(answers[i]);
      on_document();
    }
    waiting.clear();
    return {};
  }

  Result<std::vector<Outcome>> ask(std::span<const Asked> asked) {
    if (task_.kind == TaskKind::kGenerate) return write(asked);
    std::vector<Outcome> outcomes;
    for (const Asked& one : asked) {
      const bool rolls = task_.kind == TaskKind::kRolling;
      Result<Outcome> outcome = rolls ? roll(one.prompt) : choose(one.prompt);
      if (!outcome) {
        return fail(outcome.error().code, "document {} of {}: {}", one.index, subject_.name,
                    outcome.error().message);
      }
      outcomes.push_back(std::move(*outcome));
    }
    return outcomes;
  }

  Result<Outcome> choose(const Prompt& prompt) {
    std::vector<ScoredTokens> group;
    for (const auto& [context, continuation] : prompt.requests) {
      TRINE_ASSIGN_OR_RETURN(ScoredTokens tokens, encoder_.pair(context, continuation));
      group.push_back(std::move(tokens));
    }
    TRINE_ASSIGN_OR_RETURN(const auto scores, score_group(model_.engine, group));
    Outcome outcome;
    for (const Loglikelihood& score : scores) {
      outcome.loglikelihoods.push_back(score.value);
      outcome.greedy.push_back(score.is_greedy);
    }
    return outcome;
  }

  Result<Outcome> roll(const Prompt& prompt) {
    TRINE_ASSIGN_OR_RETURN(const auto pieces, encoder_.rolling(prompt.requests.front().second));
    double sum = 0.0;
    bool is_greedy = true;
    for (const ScoredTokens& piece : pieces) {
      TRINE_ASSIGN_OR_RETURN(const auto scores,
                             score_group(model_.engine, std::span(&piece, 1)));
      sum += scores.front().value;
      is_greedy = is_greedy && scores.front().is_greedy;
    }
    return Outcome{.loglikelihoods = {sum}, .greedy = {is_greedy}};
  }

  Result<std::vector<Outcome>> write(std::span<const Asked> asked) {
    const std::size_t written = settings_.max_generated_tokens;
    if (written == 0 || written >= settings_.max_length) {
      return fail(ErrorCode::kInvalidArgument,
                  "{} has the model write {} tokens, and it is given at most {} with the "
                  "question; expected 1 to {} (--max-gen-tokens)",
                  subject_.name, written, settings_.max_length, settings_.max_length - 1);
    }
    std::vector<std::vector<std::int32_t>> prompts;
    for (const Asked& one : asked) {
      prompts.push_back(
          encoder_.prompt(one.prompt.requests.front().first, settings_.max_length - written));
    }
    const GreedyOptions options{written, stops_, model_.end_tokens};
    TRINE_ASSIGN_OR_RETURN(
        auto texts, continue_greedily(model_.engine, model_.tokenizer, prompts, options));
    std::vector<Outcome> outcomes;
    for (std::string& text : texts) outcomes.push_back({.text = std::move(text)});
    return outcomes;
  }

  const Task& task_;
  const SubjectDocuments& subject_;
  const TaskSettings& settings_;
  AskedModel& model_;
  FinishedDocuments& finished_;
  PairEncoder encoder_;
  std::vector<std::string_view> stops_{};
};

TaskResult pool_results(const Task& task, std::span<const TaskResult> subjects) {
  TaskResult result{.name = std::string(task.name),
                    .version = task.version,
                    .few_shot = subjects.front().few_shot,
                    .is_pooled = true};
  std::vector<std::vector<Metric>> metrics;
  std::vector<std::size_t> sizes;
  for (const TaskResult& subject : subjects) {
    metrics.push_back(subject.metrics);
    sizes.push_back(subject.num_documents);
    result.num_documents += subject.num_documents;
  }
  result.metrics = pool(metrics, sizes);
  return result;
}

}  // namespace

Result<std::vector<TaskResult>> run_task(const Task& task, const TaskSettings& settings,
                                         AskedModel& model, FinishedDocuments& finished,
                                         const base::ProgressSink& progress) {
  TRINE_ASSIGN_OR_RETURN(auto documents,
                         read_documents(settings.data_directory, task, task.split));
  const std::size_t few_shot = settings.few_shot.value_or(task.few_shot);
  std::vector<Document> examples;
  if (few_shot > 0 && task.few_shot_rule != FewShotRule::kNone) {
    TRINE_ASSIGN_OR_RETURN(examples,
                           read_documents(settings.data_directory, task, task.few_shot_split));
  }
  const std::vector<SubjectDocuments> subjects =
      split_subjects(task, std::move(documents), std::move(examples));
  const auto size_of = [&](const SubjectDocuments& subject) {
    const std::size_t all = subject.documents.size();
    return settings.limit == 0 ? all : std::min(settings.limit, all);
  };
  std::size_t done = 0, total = 0;
  for (const SubjectDocuments& subject : subjects) total += size_of(subject);
  std::vector<TaskResult> results;
  for (const SubjectDocuments& subject : subjects) {
    SubjectRun run(task, subject, settings, model, finished);
    TRINE_ASSIGN_OR_RETURN(const auto scores, run.run(few_shot, size_of(subject), [&] {
      ++done;
      if (progress) progress({subject.name, done, total});
    }));
    results.push_back({.name = subject.name,
                       .version = task.version,
                       .few_shot = few_shot,
                       .num_documents = scores.size(),
                       .metrics = aggregate(scores)});
  }
  if (task.has_subjects) results.insert(results.begin(), pool_results(task, results));
  return results;
}

}  // namespace trine::eval
