// Documents as the model is asked: description, examples, question.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "eval/tasks/python_random.h"
#include "eval/tasks/task.h"

namespace trine::eval {

/// What a document asks the model, as text.
struct Prompt {
  /// (context, continuation): one per choice; one of loglikelihood tasks; of a rolling task one
  /// with an empty context; of generation one with an empty continuation.
  std::vector<std::pair<std::string, std::string>> requests{};

  /// Differs where any text does.
  [[nodiscard]] std::uint64_t hash() const;
};

/// Puts examples before questions. Draws go on from one document to the next, so prompts must be
/// made in the order of the documents, also of those whose results are known.
class PromptMaker {
 public:
  /// Both outlive it. @param examples those of the subject, for tasks that have subjects.
  /// kInvalidArgument when there are fewer examples than asked for.
  [[nodiscard]] static Result<PromptMaker> create(const Task& task,
                                                  std::span<const Document> examples,
                                                  std::size_t few_shot);

  /// kMalformed when a drawn example cannot serve as one.
  [[nodiscard]] Result<Prompt> next(const Document& document);

 private:
  PromptMaker(const Task& task, std::span<const Document> examples, std::size_t few_shot)
      : task_(&task), examples_(examples), few_shot_(few_shot) {}

  [[nodiscard]] std::vector<const Document*> draw(const Document& document);

  const Task* task_;
  std::span<const Document> examples_;
  std::size_t few_shot_;
  PythonRandom random_{1234};  // fewshot_random_seed, unless told otherwise
};

}  // namespace trine::eval
