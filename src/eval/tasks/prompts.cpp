#include "eval/tasks/prompts.h"

#include "base/hash.h"
#include "eval/tasks/python_text.h"

namespace trine::eval {
namespace {

/// Before the answer, and after an example.
constexpr std::string_view kAnswerDelimiter = " ";
constexpr std::string_view kExampleDelimiter = "\n\n";

/// A question with its right answer.
Result<std::string> as_example(const Task& task, const Document& document) {
  const bool by_context = !document.contexts.empty();
  std::string text = by_context ? document.contexts[document.gold] : document.question;
  text += kAnswerDelimiter;
  if (by_context || task.kind != TaskKind::kMultipleChoice) {
    text += document.targets.front();
  } else if (document.gold < document.choices.size()) {
    text += document.choices[document.gold];
  } else {
    return fail(
        ErrorCode::kMalformed,
        "{}: a drawn example names choice {} of {} as the right one; take other examples",
        task.name, document.gold + 1, document.choices.size());
  }
  text += kExampleDelimiter;
  return text;
}

std::string describe_subject(const Document& document) {
  if (document.subject.empty()) return {};
  std::string text = "The following are multiple choice questions (with answers) about ";
  text += replace_all(document.subject, "_", " ");
  return text + ".\n\n";
}

}  // namespace

std::uint64_t Prompt::hash() const {
  std::string all;
  for (const auto& [context, continuation] : requests) {
    all +=
        fmt::format("{}:{}{}:{}", context.size(), context, continuation.size(), continuation);
  }
  return base::xxh3({reinterpret_cast<const std::uint8_t*>(all.data()), all.size()});
}

Result<PromptMaker> PromptMaker::create(const Task& task, std::span<const Document> examples,
                                        std::size_t few_shot) {
  if (few_shot > 0 && task.few_shot_rule == FewShotRule::kNone) {
    return fail(ErrorCode::kInvalidArgument, "{} takes no examples, {} were asked for",
                task.name, few_shot);
  }
  const bool one_more = task.few_shot_rule == FewShotRule::kRandomOfOthers;
  const std::size_t needed = few_shot == 0 ? 0 : few_shot + (one_more ? 1 : 0);
  if (needed > examples.size()) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: {} examples before each question need {} documents in {}.jsonl, there are "
                "{}",
                task.name, few_shot, needed, task.few_shot_split, examples.size());
  }
  return PromptMaker(task, examples, few_shot);
}

std::vector<const Document*> PromptMaker::draw(const Document& document) {
  std::vector<const Document*> drawn;
  if (few_shot_ == 0) return drawn;
  if (task_->few_shot_rule == FewShotRule::kFirst) {
    for (const Document& example : examples_.first(few_shot_)) drawn.push_back(&example);
    return drawn;
  }
  const bool spares_document = task_->few_shot_rule == FewShotRule::kRandomOfOthers;
  const auto is_other = [&](const Document& example) {
    return !spares_document || example.line_hash != document.line_hash;
  };
  for (const std::size_t index :
       random_.sample(examples_.size(), few_shot_ + (spares_document ? 1 : 0))) {
    if (is_other(examples_[index]) && drawn.size() < few_shot_) {
      drawn.push_back(&examples_[index]);
    }
  }
  if (drawn.size() == few_shot_) return drawn;
  // The document is in the file more than once: again, from the others.
  std::vector<const Document*> others;
  for (const Document& example : examples_) {
    if (is_other(example)) others.push_back(&example);
  }
  drawn.clear();
  for (const std::size_t index : random_.sample(others.size(), few_shot_)) {
    drawn.push_back(others[index]);
  }
  return drawn;
}

Result<Prompt> PromptMaker::next(const Document& document) {
  std::string before = describe_subject(document);
  for (const Document* example : draw(document)) {
    TRINE_ASSIGN_OR_RETURN(const std::string text, as_example(*task_, *example));
    before += text;
  }
  Prompt prompt;
  switch (task_->kind) {
    case TaskKind::kMultipleChoice:
      for (const std::string& context : document.contexts) {
        prompt.requests.emplace_back(before + context,
                                     std::string(kAnswerDelimiter) + document.targets.front());
      }
      for (const std::string& choice : document.choices) {
        prompt.requests.emplace_back(before + document.question,
                                     std::string(kAnswerDelimiter) + choice);
      }
      break;
    case TaskKind::kLoglikelihood:
      prompt.requests.emplace_back(before + document.question, document.targets.front());
      break;
    case TaskKind::kGenerate:
      prompt.requests.emplace_back(before + document.question, "");
      break;
    case TaskKind::kRolling: prompt.requests.emplace_back("", document.targets.front()); break;
  }
  return prompt;
}

}  // namespace trine::eval
